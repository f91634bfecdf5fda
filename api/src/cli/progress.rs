//! Progress on a terminal. Nothing is shown if standard error is not one.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scoring::Lang;

use crate::files::folder::files;

/// Returns a bar over the bytes of a folder's files.
pub(super) fn reading(folder: &Path, lang: Lang) -> ProgressBar {
    let sizes = files(folder).map(|file| file.metadata().map_or(0, |file| file.len()));
    let bar = ProgressBar::new(sizes.sum());
    let style = ProgressStyle::with_template("{msg} {bar:32} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(lang.pick("読み込み中", "reading"))
}

/// Returns a spinner with the time that a step takes.
pub(super) fn step(ja: &'static str, en: &'static str, lang: Lang) -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner.with_message(lang.pick(ja, en))
}
