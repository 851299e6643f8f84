//! Can a piece of output be explained as the echo of the keys that wait?
//!
//! Only an output that is explained in full counts: it begins with the keys' characters, and what
//! follows is a line editor's (the rest of the line, a suggestion, with the cursor brought back) or,
//! behind an echoed Enter, the program's. That some letters of a password occur in what a build
//! prints in the background explains nothing.

use super::keys::Kind;
use super::view::Token;

/// Whole lines shorter than this are not looked for inside other output.
const SHORTEST_LINE: usize = 4;
/// So much of the prompt must stand before the characters when an editor paints its line anew.
const PROMPT_SEEN: usize = 4;

/// A key that waits, with its character.
pub(super) type Waiting = (Kind, char);

/// What is known of the line at the cursor.
pub(super) struct Line<'a> {
    /// The characters echoed on it so far.
    pub echoed: &'a [char],
    /// What stood on it before.
    pub prompt: &'a str,
}

/// What an output is the echo of.
pub(super) struct Explained {
    /// So many of the keys, from the first.
    pub keys: usize,
    /// So many of the tokens were needed; the rest may hold the echo of more lines.
    pub tokens: usize,
}

/// Which of the keys, from the first, the output echoes; `None`: it is no echo.
pub(super) fn explain(keys: &[Waiting], tokens: &[Token], line: &Line<'_>) -> Option<Explained> {
    echo_in_order(keys, tokens)
        .or_else(|| painted_anew(keys, tokens, line))
        .or_else(|| whole_line(keys, tokens))
}

/// The plain echo: the keys' characters one after the other.
fn echo_in_order(keys: &[Waiting], tokens: &[Token]) -> Option<Explained> {
    let mut at = tokens
        .iter()
        .take_while(|t| matches!(t, Token::Move | Token::Cr))
        .count();
    let mut done = 0;
    let mut echoed = false;
    let mut free = false;
    for &(kind, c) in keys {
        let next = match kind {
            Kind::Char if free => find(&keys[done..], tokens, at).map(|found| {
                free = false;
                found + 1
            }),
            Kind::Char => find_next(c, tokens, at),
            Kind::Enter => find_line_feed(tokens, at),
            Kind::End | Kind::EraseLine | Kind::EraseWord | Kind::Free => {
                free |= kind != Kind::End;
                Some(skip_caret(c, tokens, at))
            }
            Kind::Erase => Some(skip_erasing(tokens, at)),
        };
        let Some(next) = next else { break };
        echoed |= matches!(kind, Kind::Char | Kind::Enter);
        at = next;
        done += 1;
    }
    // Keys without an echo of their own wait for the next output.
    while done > 0 && !matches!(keys[done - 1].0, Kind::Char | Kind::Enter) {
        done -= 1;
    }
    let rest = &tokens[at.min(tokens.len())..];
    let after_enter = done > 0 && keys[done - 1].0 == Kind::Enter;
    let explained = echoed && done > 0 && (after_enter || is_editors(rest, tokens));
    explained.then_some(Explained {
        keys: done,
        tokens: at,
    })
}

/// Behind the echo: nothing that is seen, or what a line editor prints and comes back from.
fn is_editors(rest: &[Token], all: &[Token]) -> bool {
    let shown = rest
        .iter()
        .any(|t| matches!(t, Token::Char(c) if *c != ' '));
    let broken = rest.contains(&Token::Lf);
    let moved = all.iter().any(|t| matches!(t, Token::Move | Token::Back));
    !broken && (!shown || moved)
}

/// The place behind `c`, if it is what is shown next.
fn find_next(c: char, tokens: &[Token], mut at: usize) -> Option<usize> {
    loop {
        match (tokens.get(at)?, tokens.get(at + 1)) {
            // At the right margin editors print a blank and go back, to make the terminal wrap.
            (Token::Char(' '), Some(Token::Cr))
                if c != ' ' || tokens.get(at + 2) == Some(&Token::Char(' ')) =>
            {
                at += 2;
            }
            (Token::Char(shown), _) if *shown == c => return Some(at + 1),
            (Token::Move | Token::Cr, _) => at += 1,
            (Token::Char(_) | Token::Back | Token::Lf, _) => return None,
        }
    }
}

fn find_line_feed(tokens: &[Token], mut at: usize) -> Option<usize> {
    loop {
        match tokens.get(at)? {
            Token::Lf => return Some(at + 1),
            Token::Cr | Token::Move | Token::Back => at += 1,
            Token::Char(_) => return None,
        }
    }
}

/// Where, behind output of the editor's own, the characters up to the next other key are shown:
/// the place of the first one.
fn find(keys: &[Waiting], tokens: &[Token], at: usize) -> Option<usize> {
    let wanted: Vec<char> = chars(keys);
    let end = tokens.len().checked_sub(wanted.len())?;
    (at..=end).find(|&from| {
        let shown = tokens[from..].iter().zip(&wanted);
        !tokens[at..from].contains(&Token::Lf)
            && shown.into_iter().all(|(t, c)| *t == Token::Char(*c))
    })
}

fn skip_erasing(tokens: &[Token], mut at: usize) -> usize {
    loop {
        match (tokens.get(at), tokens.get(at + 1)) {
            (Some(Token::Char(' ')), Some(Token::Back)) => at += 2,
            (Some(Token::Back | Token::Move), _) => at += 1,
            _ => return at,
        }
    }
}

/// A terminal that echoes shows control keys as `^C`.
fn skip_caret(c: char, tokens: &[Token], at: usize) -> usize {
    let letter = char::from_u32(u32::from(c) ^ 0x40);
    match (tokens.get(at), tokens.get(at + 1)) {
        (Some(Token::Char('^')), Some(Token::Char(shown))) if Some(*shown) == letter => at + 2,
        _ => at,
    }
}

/// A line editor that paints (a part of) its line anew: what was echoed before, then the new keys.
fn painted_anew(keys: &[Waiting], tokens: &[Token], line: &Line<'_>) -> Option<Explained> {
    let moved = |t: &Token| matches!(t, Token::Move | Token::Back | Token::Cr);
    if tokens.contains(&Token::Lf) || !tokens.iter().any(moved) {
        return None;
    }
    let shown = visible(tokens);
    let wanted = chars(keys);
    let painted = |n: &usize| match line.echoed.len() {
        0 => behind_prompt(&shown, line.prompt, &wanted[..*n]),
        len => {
            let context = &line.echoed[len.saturating_sub(2)..];
            let needle: Vec<char> = context.iter().chain(&wanted[..*n]).copied().collect();
            shown.windows(needle.len()).any(|window| window == needle)
        }
    };
    let keys = (1..=wanted.len()).rev().find(painted)?;
    Some(Explained {
        keys,
        tokens: tokens.len(),
    })
}

/// Nothing of the line was echoed yet: the prompt is painted, and the keys behind it.
fn behind_prompt(shown: &[char], prompt: &str, keys: &[char]) -> bool {
    let prompt_chars: Vec<char> = prompt.chars().collect();
    let context = &prompt_chars[prompt_chars.len().saturating_sub(PROMPT_SEEN)..];
    context.len() >= 2 && !super::view::asks_for_secret(prompt) && ends_with(shown, context, keys)
}

fn ends_with(shown: &[char], context: &[char], keys: &[char]) -> bool {
    shown
        .strip_suffix(keys)
        .is_some_and(|before| before.ends_with(context))
}

/// The whole line, typed ahead and shown later: behind a prompt, at the end of a line.
fn whole_line(keys: &[Waiting], tokens: &[Token]) -> Option<Explained> {
    let wanted = chars(keys);
    let enter = keys
        .get(wanted.len())
        .is_some_and(|(kind, _)| *kind == Kind::Enter);
    if wanted.len() < SHORTEST_LINE || !enter {
        return None;
    }
    let mut begin = 0;
    for (at, _) in tokens.iter().enumerate().filter(|(_, t)| **t == Token::Lf) {
        let line = visible(&tokens[begin..at]);
        let before = line.strip_suffix(wanted.as_slice());
        if before.is_some_and(|before| before.last().is_none_or(|c| !c.is_alphanumeric())) {
            return Some(Explained {
                keys: wanted.len() + 1,
                tokens: at + 1,
            });
        }
        begin = at + 1;
    }
    None
}

/// The characters up to the first other key.
fn chars(keys: &[Waiting]) -> Vec<char> {
    let chars = keys.iter().take_while(|(kind, _)| *kind == Kind::Char);
    chars.map(|(_, c)| *c).collect()
}

fn visible(tokens: &[Token]) -> Vec<char> {
    let shown = |t: &Token| match t {
        Token::Char(c) => Some(*c),
        Token::Back | Token::Cr | Token::Lf | Token::Move => None,
    };
    tokens.iter().filter_map(shown).collect()
}
