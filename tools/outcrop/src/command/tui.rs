//! `outcrop tui`.

use core::time::Duration;
use std::io::IsTerminal as _;
use std::path::Path;

use outcrop_inspect::{Tui, TuiKey};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::show::open;
use crate::cli;
use crate::failure::Failure;

/// How often a growing file is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Shows a capture in the terminal until asked to leave. A file that grows is followed.
pub(crate) fn run(options: &cli::Show) -> Result<u8, Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            "tui: standard output is no terminal; `outcrop ladder` and `outcrop print` need none",
        ));
    }
    let mut length = length_of(&options.file);
    let mut tui = read(&options.file)?;
    let mut terminal = ratatui::init();
    let outcome = loop {
        if let Err(error) = terminal.draw(|frame| tui.draw(frame)) {
            break Err(error);
        }
        match event::poll(LOOK_AGAIN).and_then(|ready| ready.then(event::read).transpose()) {
            Ok(Some(event)) => match meaning(&event) {
                Asked::Leave => break Ok(()),
                Asked::Key(key) => tui.key(key),
                Asked::Nothing => {}
            },
            Ok(None) => {
                let now = length_of(&options.file);
                // A file that is not whole yet is read again when it has grown further.
                if now != length
                    && let Ok(next) = read(&options.file)
                {
                    (length, tui) = (now, tui.grown(next));
                }
            }
            Err(error) => break Err(error),
        }
    };
    ratatui::restore();
    outcome.map_err(|error| Failure::new(format!("the terminal: {error}")))?;
    Ok(0)
}

fn length_of(path: &Path) -> Option<u64> {
    Some(std::fs::metadata(path).ok()?.len())
}

fn read(path: &Path) -> Result<Tui, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Damage is said in the title.
    let (tui, _said) = Tui::read(&mut open(path)?, &name);
    Ok(tui)
}

enum Asked {
    Leave,
    Key(TuiKey),
    Nothing,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a keyboard has more keys than we have meanings"
)]
fn meaning(event: &Event) -> Asked {
    let Event::Key(key) = event else {
        return Asked::Nothing;
    };
    if key.kind == KeyEventKind::Release {
        return Asked::Nothing;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Asked::Key(match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Asked::Leave,
        KeyCode::Char('c') if control => return Asked::Leave,
        KeyCode::Up | KeyCode::Char('k') => TuiKey::Up,
        KeyCode::Down | KeyCode::Char('j') => TuiKey::Down,
        KeyCode::PageUp => TuiKey::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => TuiKey::PageDown,
        KeyCode::Home | KeyCode::Char('g') => TuiKey::Home,
        KeyCode::End | KeyCode::Char('G') => TuiKey::End,
        KeyCode::Char('c') => TuiKey::Cause,
        KeyCode::Char('n') => TuiKey::Notable,
        KeyCode::Char('w') => TuiKey::Conversation,
        KeyCode::Tab => TuiKey::Pane,
        _ => return Asked::Nothing,
    })
}
