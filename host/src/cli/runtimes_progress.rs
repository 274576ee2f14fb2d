//! How builds of images go, shown to people who watch and written for those who do not.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Engine;
use crate::images::build::{Order, Progress};
use crate::images::error::ImageError;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// A spinner on a terminal, else a line for each beginning and end.
pub(crate) fn shown() -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() { Box::new(Spinner::new()) } else { Box::new(Lines) }
}

struct Lines;

impl Progress for Lines {
    fn begins(&self, order: &Order, engine: &Engine) {
        eprintln!("{}: building {} on {} with {engine}", order.target, order.image, order.base);
    }

    fn says(&self, _order: &Order, _line: &str) {}

    fn ends(&self, order: &Order, took: Duration, fault: Option<&ImageError>) {
        eprintln!("{}", ended(order, took, fault));
    }
}

fn ended(order: &Order, took: Duration, fault: Option<&ImageError>) -> String {
    match fault {
        None => format!("{}: built {} in {:.1} s", order.target, order.image, took.as_secs_f64()),
        Some(fault) => format!("{}: {fault}", order.target),
    }
}

struct Spinner(ProgressBar);

impl Spinner {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}");
        let bar = ProgressBar::new_spinner();
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Spinner(bar)
    }
}

impl Progress for Spinner {
    fn begins(&self, order: &Order, engine: &Engine) {
        self.0.reset_elapsed();
        self.0.set_prefix(order.target.to_string());
        self.0.set_message(format!("{} on {} with {engine}", order.image, order.base));
        self.0.enable_steady_tick(TICK);
    }

    fn says(&self, _order: &Order, line: &str) {
        self.0.set_message(line.to_owned());
    }

    fn ends(&self, order: &Order, took: Duration, fault: Option<&ImageError>) {
        self.0.suspend(|| eprintln!("{}", ended(order, took, fault)));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
