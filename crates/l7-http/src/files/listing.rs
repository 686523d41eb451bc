//! What is in a folder, as a page.
//!
//! Job: names as links, for whoever asked for listings. Owns: the page's looks. Does not know: requests.
//! Hidden names stay hidden; names are text of strangers, so they are escaped twice: for the link and for the page.

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::open::Root;
use crate::pages::escape;

/// Names shown; a page of more helps nobody.
const MOST: usize = 10_000;

/// What may not stand in a segment of a path as it is (RFC 3986 section 3.3), and `:`, which would begin a scheme.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The page about the folder at `path`, which ends with a slash; `None` if there is no such folder.
pub(super) fn page(root: &Root, path: &str) -> Option<Bytes> {
    let mut names = root.names(path, MOST).ok()?;
    names.sort();
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let title = escape(&decoded);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>body{{font:1rem/1.6 system-ui,sans-serif;margin:2rem}}ul{{list-style:none;padding:0}}\
         li.folder{{font-weight:600}}</style>\n<h1>{title}</h1>\n<ul>\n"
    );
    if path != "/" {
        page += "<li class=\"folder\"><a href=\"../\">..</a>\n";
    }
    for (folder, name) in names {
        let (class, slash) = if folder {
            (" class=\"folder\"", "/")
        } else {
            ("", "")
        };
        let link = utf8_percent_encode(&name, SEGMENT);
        page += &format!(
            "<li{class}><a href=\"{link}{slash}\">{}{slash}</a>\n",
            escape(&name)
        );
    }
    page += "</ul>\n";
    Some(page.into())
}
