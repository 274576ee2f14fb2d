//! What accounts keep: users among the documents, and what no function may read beside them.
//!
//! Knows no passwords and no tokens, only their hashes; when a session ends or a try is too many
//! is decided by `auth`.

use crate::auth::claims::now;
use crate::auth::store::{
    AccountStore, Created, Credentials, Exchange, Exchanged, Family, MOST_FAMILIES, NewUser,
    StoreFault, TooMany,
};
use crate::auth::throttle::Charge;
use crate::auth::user::User;
use crate::config::secret::Secret;
use crate::db::Store;
use crate::db::datum::Datum;
use crate::db::declared::USERS;
use crate::db::error::{DbError, DbErrorKind};
use crate::db::request::Request;
use crate::db::session::Session;
use crate::db::wire::{Wire, masked, plain, unmasked};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// Who logs in waits no longer than this for the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// A few at a time: those who come next take the rest.
const REMOVE_EXPIRED: &str = "DELETE FROM _alyx_refresh_families WHERE id IN \
    (SELECT id FROM _alyx_refresh_families WHERE expires_at <= ? LIMIT 100)";
const REMOVE_UNUSED: &str = "DELETE FROM _alyx_refresh_families WHERE id IN \
    (SELECT id FROM _alyx_refresh_families WHERE user_id = ? \
     ORDER BY used_at DESC, id LIMIT 100 OFFSET ?)";
const REMOVE_WHOLE: &str = "DELETE FROM _alyx_throttles WHERE key IN \
    (SELECT key FROM _alyx_throttles WHERE whole_at <= ? LIMIT 100)";

impl AccountStore for Store {
    async fn create_user(&self, user: NewUser) -> Result<Created, StoreFault> {
        let NewUser { email, name, metadata, password_hash } = user;
        let mut data = Map::new();
        data.insert("email".into(), email.into());
        if let Some(name) = name {
            data.insert("name".into(), name.into());
        }
        // A caller's `{"$int": "1"}` is what it looks like, not a disguise.
        data.insert("metadata".into(), masked(Value::Object(metadata)));
        let create = Request::Create { collection: USERS.to_owned(), data };
        let created = self.write(soon(), move |session| {
            let user = read(&session.answer(&create)?)?;
            let user = user.ok_or_else(|| DbError::internal("a new user is not there"))?;
            session.run(
                "INSERT INTO _alyx_credentials (user_id, password_hash, changed_at) VALUES (?, ?, ?)",
                &[text(user.id()), text(password_hash.expose()), time((now() * 1e3) as u64)],
            )?;
            Ok(user)
        });
        match created.await {
            Ok(user) => Ok(Created::User(user)),
            Err(error) if is_taken(&error) => Ok(Created::EmailTaken),
            Err(error) => Err(error.into()),
        }
    }

    async fn credentials(&self, email: &str) -> Result<Option<Credentials>, StoreFault> {
        let email = text(email);
        let found = self.read(soon(), move |session| {
            let rows = session.rows(
                "SELECT u.id, c.password_hash FROM users u \
                 JOIN _alyx_credentials c ON c.user_id = u.id WHERE u.email = ? COLLATE NOCASE",
                std::slice::from_ref(&email),
            )?;
            let Some([Datum::Text(id), Datum::Text(hash)]) = rows.first().map(Vec::as_slice) else {
                return Ok(None);
            };
            let password_hash = Secret::new(hash.as_str());
            let user = read(&session.answer(&document(id))?)?;
            Ok(user.map(|user| Credentials { user, password_hash }))
        });
        Ok(found.await?)
    }

    async fn user(&self, id: &str) -> Result<Option<User>, StoreFault> {
        let get = document(id);
        Ok(self.read(soon(), move |session| read(&session.answer(&get)?)).await?)
    }

    async fn open_family(&self, family: Family, now: u64) -> Result<(), StoreFault> {
        let others = Datum::Int(MOST_FAMILIES as i64 - 1);
        let opened = self.write(soon(), move |session| {
            session.run(REMOVE_EXPIRED, &[time(now)])?;
            session.run(REMOVE_UNUSED, &[text(&family.user), others.clone()])?;
            session.run(
                "INSERT INTO _alyx_refresh_families (id, user_id, newest, used_at, expires_at) \
                 VALUES (?, ?, ?, ?, ?)",
                &[
                    text(&family.id),
                    text(&family.user),
                    text(&family.current),
                    time(now),
                    time(family.expires),
                ],
            )
        });
        Ok(opened.await.map(drop)?)
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, StoreFault> {
        Ok(self.write(soon(), move |session| exchanged(session, &exchange)).await?)
    }

    async fn close_family(&self, id: &str) -> Result<(), StoreFault> {
        let id = text(id);
        let closed = self.write(soon(), move |session| remove(session, &id));
        Ok(closed.await?)
    }

    async fn charge(
        &self,
        charges: Vec<Charge>,
        now: u64,
    ) -> Result<Result<(), TooMany>, StoreFault> {
        let charged = self.write(soon(), move |session| {
            session.run(REMOVE_WHOLE, &[time(now)])?;
            charged(session, &charges, now)
        });
        Ok(charged.await?)
    }

    async fn forgive(&self, keys: Vec<String>, charge: Charge) -> Result<(), StoreFault> {
        let back = [time(charge.rule.period.as_millis() as u64), text(&charge.key)];
        let forgiven = self.write(soon(), move |session| {
            for key in &keys {
                session.run("DELETE FROM _alyx_throttles WHERE key = ?", &[text(key)])?;
            }
            let sql = "UPDATE _alyx_throttles SET whole_at = whole_at - ? WHERE key = ?";
            session.run(sql, &back).map(drop)
        });
        Ok(forgiven.await?)
    }
}

fn exchanged(session: &Session, exchange: &Exchange) -> Result<Exchanged, DbError> {
    let id = text(&exchange.family);
    let rows = session.rows(
        "SELECT newest FROM _alyx_refresh_families \
         WHERE id = ? AND user_id = ? AND expires_at > ?",
        &[id.clone(), text(&exchange.user), time(exchange.now)],
    )?;
    let Some([newest]) = rows.first().map(Vec::as_slice) else { return Ok(Exchanged::Unknown) };
    if *newest != text(&exchange.presented) {
        remove(session, &id)?;
        return Ok(Exchanged::Reused);
    }
    session.run(
        "UPDATE _alyx_refresh_families SET newest = ?, used_at = ?, expires_at = ? WHERE id = ?",
        &[text(&exchange.next), time(exchange.now), time(exchange.expires), id],
    )?;
    Ok(Exchanged::Done)
}

fn remove(session: &Session, family: &Datum) -> Result<(), DbError> {
    let sql = "DELETE FROM _alyx_refresh_families WHERE id = ?";
    session.run(sql, std::slice::from_ref(family)).map(drop)
}

fn charged(
    session: &Session,
    charges: &[Charge],
    now: u64,
) -> Result<Result<(), TooMany>, DbError> {
    let mut counted = Vec::with_capacity(charges.len());
    for Charge { key, rule } in charges {
        let sql = "SELECT whole_at FROM _alyx_throttles WHERE key = ?";
        let rows = session.rows(sql, &[text(key)])?;
        let whole_at = match rows.first().map(Vec::as_slice) {
            Some([Datum::Int(time)]) => time.unsigned_abs(),
            _ => 0,
        };
        match rule.charge(whole_at, now) {
            Ok(whole_at) => counted.push([text(key), time(whole_at)]),
            Err(wait) => return Ok(Err(TooMany { key: key.clone(), wait })),
        }
    }
    for row in counted {
        session.run(
            "INSERT INTO _alyx_throttles (key, whole_at) VALUES (?, ?) \
             ON CONFLICT (key) DO UPDATE SET whole_at = excluded.whole_at",
            &row,
        )?;
    }
    Ok(Ok(()))
}

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

fn document(id: &str) -> Request {
    Request::Get { collection: USERS.to_owned(), id: Some(id.to_owned()) }
}

fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}

fn time(millis: u64) -> Datum {
    Datum::Int(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The user in an answer to a call, which may be none.
fn read(answer: &[u8]) -> Result<Option<User>, DbError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        doc: Option<&'a RawValue>,
    }
    let answer: Answer<'_> = serde_json::from_slice(answer).map_err(DbError::internal)?;
    let Some(document) = answer.doc else { return Ok(None) };
    let user = shown(document.get())
        .and_then(|document| User::read(&document).map_err(|error| error.to_string()));
    user.map(Some).map_err(|error| DbError::internal(format!("a row of users: {error}")))
}

/// The document as HTTP shows it. The shims take off what stands for values that JSON lacks;
/// here nobody else does.
fn shown(document: &str) -> Result<String, String> {
    if !document.contains("\"$") && !document.contains("\"\\") {
        return Ok(document.to_owned());
    }
    let fields: Map<String, Value> =
        serde_json::from_str(document).map_err(|error| error.to_string())?;
    let field = |(name, value): (String, Value)| {
        let value = match unmasked(&value)? {
            Wire::Bytes(bytes) => STANDARD.encode(bytes).into(),
            Wire::Int(number) => number.into(),
            _ => plain(&value)?,
        };
        Ok((name, value))
    };
    let fields = fields.into_iter().map(field).collect::<Result<Map<_, _>, String>>()?;
    Ok(Value::Object(fields).to_string())
}

fn is_taken(error: &DbError) -> bool {
    error.code == "UNIQUE_VIOLATION" && error.field.as_deref() == Some("email")
}

impl From<DbError> for StoreFault {
    fn from(error: DbError) -> StoreFault {
        match error.kind {
            DbErrorKind::Validation | DbErrorKind::Conflict => {
                StoreFault::Rejected { field: error.field, message: error.message }
            }
            DbErrorKind::Busy | DbErrorKind::Deadline => StoreFault::Busy,
            _ => StoreFault::Failed(error.into()),
        }
    }
}
