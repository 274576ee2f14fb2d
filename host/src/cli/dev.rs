//! `alyx dev`: serves the project and puts what changes on disk into service.

use crate::cli::logging::{self, Style};
use crate::cli::{Failure, Serve};
use crate::dev::secret;
use crate::server::{self, Mode};

pub(crate) async fn run(options: Serve) -> Result<(), Failure> {
    let mut config = options.load()?;
    let is_new = secret::provide(&mut config).map_err(Failure::failed)?;
    let _flushes_when_dropped = logging::start(&config.logging, Style::Developer);
    if is_new {
        tracing::info!(
            "made a secret for tokens in .alyx/jwt-secret, for 'alyx dev' alone; set ALYX_JWT_SECRET where others call"
        );
    }
    Ok(server::serve(&config, Mode::Dev).await?)
}
