//! A store in memory, in the words of [`AccountStore`].

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use crate::auth::store::{
    AccountStore, Created, Credentials, Exchange, Exchanged, Family, NewUser, StoreFault, TooMany,
};
use crate::auth::throttle::Charge;
use crate::auth::user::User;
use crate::config::secret::Secret;

#[derive(Debug, Clone, Default)]
pub(super) struct Memory(pub(super) Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By address.
    pub(super) users: HashMap<String, (User, Secret)>,
    pub(super) families: HashMap<String, Family>,
    pub(super) throttles: HashMap<String, u64>,
    /// How often limits were asked for.
    pub(super) charges: usize,
}

impl AccountStore for Memory {
    async fn create_user(&self, new: NewUser) -> Result<Created, StoreFault> {
        let mut tables = self.0.lock();
        if tables.users.contains_key(&new.email) {
            return Ok(Created::EmailTaken);
        }
        let document = json!({
            "id": format!("user-{}", tables.users.len()), "email": new.email, "name": new.name,
            "role": "user", "verified": false, "metadata": new.metadata, "of_the_app": 1,
        });
        let user =
            User::read(&document.to_string()).map_err(|error| StoreFault::Failed(error.into()))?;
        tables.users.insert(new.email, (user.clone(), new.password_hash));
        Ok(Created::User(user))
    }

    async fn credentials(&self, email: &str) -> Result<Option<Credentials>, StoreFault> {
        let found = self.0.lock().users.get(email).cloned();
        Ok(found.map(|(user, password_hash)| Credentials { user, password_hash }))
    }

    async fn user(&self, id: &str) -> Result<Option<User>, StoreFault> {
        let tables = self.0.lock();
        Ok(tables.users.values().find(|(user, _)| user.id() == id).map(|(user, _)| user.clone()))
    }

    async fn open_family(&self, family: Family, now: u64) -> Result<(), StoreFault> {
        let families = &mut self.0.lock().families;
        families.retain(|_, family| family.expires > now);
        families.insert(family.id.clone(), family);
        Ok(())
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, StoreFault> {
        let families = &mut self.0.lock().families;
        match families.get_mut(&exchange.family) {
            Some(family) if family.user == exchange.user && family.expires > exchange.now => {
                if family.current == exchange.presented {
                    family.current = exchange.next;
                    family.expires = exchange.expires;
                    return Ok(Exchanged::Done);
                }
                families.remove(&exchange.family);
                Ok(Exchanged::Reused)
            }
            _ => Ok(Exchanged::Unknown),
        }
    }

    async fn close_family(&self, id: &str) -> Result<(), StoreFault> {
        self.0.lock().families.remove(id);
        Ok(())
    }

    async fn charge(
        &self,
        charges: Vec<Charge>,
        now: u64,
    ) -> Result<Result<(), TooMany>, StoreFault> {
        let mut tables = self.0.lock();
        tables.charges += 1;
        let mut charged = Vec::new();
        for Charge { key, rule } in charges {
            match rule.charge(tables.throttles.get(&key).copied().unwrap_or_default(), now) {
                Ok(whole_at) => charged.push((key, whole_at)),
                Err(wait) => return Ok(Err(TooMany { key, wait })),
            }
        }
        tables.throttles.extend(charged);
        Ok(Ok(()))
    }

    async fn forgive(&self, keys: Vec<String>, charge: Charge) -> Result<(), StoreFault> {
        let throttles = &mut self.0.lock().throttles;
        throttles.retain(|key, _| !keys.contains(key));
        if let Some(whole_at) = throttles.get_mut(&charge.key) {
            *whole_at -= charge.rule.period.as_millis() as u64;
        }
        Ok(())
    }
}
