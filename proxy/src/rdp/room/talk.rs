//! What the pages say.

use sallyport_domain::policy::Offer;
use sallyport_domain::refusal::Refusal;
use zeroize::Zeroizing;

use crate::enter::Wish;
use crate::rdp::page::{Choice, Field, Form, Item, Notice, Page, Tone};
use sallyport_domain::launch_point::LaunchPoint;

fn field(label: &str, value: &str, is_secret: bool) -> Field {
    Field {
        label: label.to_owned(),
        value: Zeroizing::new(value.to_owned()),
        is_secret,
        is_required: true,
    }
}

/// Asks who it is. `complaint` says what was wrong with the last answer.
pub fn account_form(user: &str, complaint: &str) -> Page {
    Page::Form(Form {
        title: "Log in".to_owned(),
        explanation: "With your own name and password, or with a connection password. Write name+host to go straight to a host."
            .to_owned(),
        complaint: complaint.to_owned(),
        fields: vec![field("Name", user, false), field("Password", "", true)],
        button: "Log in".to_owned(),
    })
}

/// Asks why.
pub fn notes_form(host: &str) -> Page {
    Page::Form(Form {
        title: format!("Why do you need {host}?"),
        explanation:
            "A note is required for this connection. It becomes part of the session's record."
                .to_owned(),
        complaint: String::new(),
        fields: vec![field("Note", "", false)],
        button: "Go on".to_owned(),
    })
}

/// Asks for a ticket.
pub fn ticket_form(host: &str) -> Page {
    Page::Form(Form {
        title: format!("Which ticket is {host} for?"),
        explanation: "A ticket number is required for this connection.".to_owned(),
        complaint: String::new(),
        fields: vec![field("Ticket", "", false)],
        button: "Go on".to_owned(),
    })
}

/// Lists what she may do.
pub fn choice(offers: &[Offer]) -> Page {
    let items = offers.iter().map(|offer| {
        let mut detail = format!("{} as {}", offer.activity, offer.account);
        if offer.policy_matters {
            detail = format!("{detail}, {}", offer.policy);
        }
        if !offer.friendly_name.is_empty() {
            // Last: a line that is too long is cut, and what the choice is about must be seen.
            detail = format!("{detail} · {}", offer.friendly_name);
        }
        Item {
            label: offer.host.clone(),
            detail,
        }
    });
    Page::Choice(Choice {
        title: "Where do you want to go?".to_owned(),
        prompt: "Type to filter, choose with the arrow keys and Enter, or click.".to_owned(),
        items: items.collect(),
        filter: String::new(),
    })
}

/// What she wishes who has chosen that.
pub fn chosen(offer: &Offer) -> Wish {
    Wish {
        host: offer.host.clone(),
        account: None,
        activity: Some(offer.activity.clone()),
        policy: Some(offer.policy.clone()),
        notes: None,
        ticket: None,
        launch_point: LaunchPoint::Menu,
    }
}

/// Tells why not.
pub fn refusal(refusal: &Refusal) -> Page {
    let text = refusal.to_string();
    let lines = text.lines().map(str::to_owned).collect();
    Page::Notice(Notice {
        title: "You are not connected".to_owned(),
        lines,
        tone: Tone::Refusal,
        hint: format!("Code: {}", refusal.code()),
        button: Some("Close".to_owned()),
    })
}
