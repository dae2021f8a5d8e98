//! The parts that pages are made of: the frame around all of them, forms, and messages.

use askama::Template;

use super::assets::{ICON, SCRIPT, STYLE};
use super::{Member, Visit};
use crate::texts::Texts;

/// The frame around every page.
pub struct Page {
    /// What is said in the page's language.
    pub texts: &'static Texts,
    /// Title of the page; its heading too.
    pub title: String,
    /// Name of the product.
    pub product: String,
    /// Address of the stylesheet.
    pub style: String,
    /// Address of the script.
    pub script: String,
    /// Address of the icon.
    pub icon: String,
    /// The menu of somebody who is logged in.
    pub menu: Option<Menu>,
    /// How the language is changed.
    pub switch: Switch,
}

/// The menu of somebody who is logged in.
pub struct Menu {
    /// Places: id, address, label, and whether it is the page that is shown.
    pub items: Vec<(&'static str, String, &'static str, bool)>,
    /// Where the log-out is sent.
    pub log_out: String,
    /// The form's token.
    pub csrf: String,
}

/// How the language is changed.
pub enum Switch {
    /// By a link to this address and `lang=`.
    Link(String),
    /// By a form with these hidden fields: the page was made from more than its address.
    Form {
        /// Where it is sent.
        action: String,
        /// Names and values.
        hidden: Vec<(&'static str, String)>,
    },
}

/// A page with a form.
#[derive(Template)]
#[template(path = "form.html")]
pub struct FormPage {
    /// The frame.
    pub page: Page,
    /// What has just happened.
    pub notice: Option<&'static str>,
    /// What is wrong; told first.
    pub problems: Vec<Problem>,
    /// What the page is for.
    pub intro: Vec<String>,
    /// Shown to those without JavaScript only.
    pub no_script: Option<&'static str>,
    /// What is known.
    pub facts: Vec<Fact>,
    /// The form.
    pub form: Form,
    /// Where else to go.
    pub links: Vec<Link>,
    /// Whom to ask.
    pub support: Option<String>,
    /// What finds our own fault in the logs.
    pub support_code: Option<String>,
}

/// A form.
pub struct Form {
    /// Its id.
    pub id: &'static str,
    /// Where it is sent.
    pub action: String,
    /// Names and values that are not shown.
    pub hidden: Vec<(&'static str, String)>,
    /// What is to be filled in.
    pub fields: Vec<Field>,
    /// What a new password must be like.
    pub rules: Option<Rules>,
    /// The button.
    pub submit: &'static str,
}

/// A field. Its id is its name.
#[derive(Template, Clone)]
#[template(path = "field.html")]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its label.
    pub label: &'static str,
    /// The `type`.
    pub kind: &'static str,
    /// What a password manager or the browser may fill in.
    pub autocomplete: &'static str,
    /// What was typed; never of a password.
    pub value: String,
    /// What it is for.
    pub hint: Option<&'static str>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Only shown.
    pub fixed: bool,
}

/// Something that is wrong.
#[derive(Clone)]
pub struct Problem {
    /// With which field, if with one.
    pub field: Option<&'static str>,
    /// What.
    pub text: String,
}

/// Something that is known: id, label and value.
pub struct Fact {
    /// Its id.
    pub id: &'static str,
    /// Its label.
    pub label: &'static str,
    /// Its value.
    pub value: String,
}

/// What a new password must be like, for the list that is ticked off.
pub struct Rules {
    /// Fewest characters.
    pub least: u32,
}

/// Another place.
pub struct Link {
    /// Its id.
    pub id: &'static str,
    /// Its address.
    pub address: String,
    /// What it says.
    pub label: &'static str,
    /// Whether it is what most people want next.
    pub main: bool,
}

/// A page that says something.
#[derive(Template)]
#[template(path = "message.html")]
pub struct Message {
    /// The frame.
    pub page: Page,
    /// Id of the first paragraph.
    pub id: &'static str,
    /// What it says.
    pub paragraphs: Vec<String>,
    /// Above the list.
    pub list_title: Option<&'static str>,
    /// A list of what can be done.
    pub list: Vec<&'static str>,
    /// Where to go.
    pub links: Vec<Link>,
    /// Whom to ask.
    pub support: Option<String>,
    /// What is found in the logs.
    pub support_code: Option<String>,
}

impl Page {
    /// The frame for somebody who is not logged in.
    pub fn of(visit: &Visit, title: impl Into<String>) -> Self {
        let app = &visit.app;
        Self {
            texts: visit.texts(),
            title: title.into(),
            product: app.product.clone(),
            style: app.base.path(&STYLE.address()),
            script: app.base.path(&SCRIPT.address()),
            icon: app.base.path(&ICON.address()),
            menu: None,
            switch: Switch::Link(app.base.path(&visit.path) + "?"),
        }
    }

    /// The frame for somebody who is logged in.
    pub fn member(member: &Member, title: impl Into<String>) -> Self {
        let (visit, frame) = (&member.visit, &member.visit.texts().frame);
        let mut places = vec![("menu-home", "/", frame.home), ("menu-account", "/account", frame.account)];
        if member.is_admin() {
            places.push(("menu-users", "/users", frame.users));
        }
        let base = &visit.app.base;
        let items =
            places.into_iter().map(|(id, path, label)| (id, base.path(path), label, visit.path == path)).collect();
        let menu = Menu { items, log_out: base.path("/logout"), csrf: visit.csrf().to_owned() };
        Self { menu: Some(menu), ..Self::of(visit, title) }
    }
}

impl Form {
    /// A form with the token that shows that it is ours.
    pub fn new(visit: &Visit, id: &'static str, path: &str, submit: &'static str) -> Self {
        Self {
            id,
            action: visit.app.base.path(path),
            hidden: vec![("csrf", visit.csrf().to_owned())],
            fields: Vec::new(),
            rules: None,
            submit,
        }
    }

    /// With a one-time key, so that sending it twice is one act.
    #[must_use]
    pub fn once(mut self, act: String) -> Self {
        self.hidden.push(("act", act));
        self
    }

    /// With these fields.
    #[must_use]
    pub fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }
}

impl Field {
    /// A field for text.
    pub fn text(name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        let value = String::new();
        Self { name, label, kind: "text", autocomplete, value, hint: None, error: None, fixed: false }
    }

    /// A field for a password.
    pub fn password(name: &'static str, label: &'static str, autocomplete: &'static str) -> Self {
        Self { kind: "password", ..Self::text(name, label, autocomplete) }
    }

    /// With what was typed.
    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        value.clone_into(&mut self.value);
        self
    }

    /// The ids of what describes it.
    fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if self.hint.is_some() {
            ids.push(format!("{}-hint", self.name));
        }
        if self.error.is_some() {
            ids.push(format!("{}-error", self.name));
        }
        ids.join(" ")
    }
}

impl FormPage {
    /// A page with a form and nothing else.
    pub fn new(page: Page, form: Form) -> Self {
        Self {
            page,
            notice: None,
            problems: Vec::new(),
            intro: Vec::new(),
            no_script: None,
            facts: Vec::new(),
            form,
            links: Vec::new(),
            support: None,
            support_code: None,
        }
    }

    /// With what is wrong, told above the form and at its fields.
    #[must_use]
    pub fn problems(mut self, problems: Vec<Problem>) -> Self {
        for field in &mut self.form.fields {
            let texts = problems.iter().filter(|problem| problem.field == Some(field.name));
            let texts: Vec<&str> = texts.map(|problem| problem.text.as_str()).collect();
            field.error = (!texts.is_empty()).then(|| texts.join(" "));
        }
        self.problems = problems;
        self
    }

    /// Whether it is for the person to mend.
    fn has_wrong_field(&self) -> bool {
        self.problems.iter().any(|problem| problem.field.is_some())
    }

    /// The label of a field.
    fn label(&self, name: &str) -> &'static str {
        self.form.fields.iter().find(|field| field.name == name).map_or("", |field| field.label)
    }
}

impl Message {
    /// A page that says this.
    pub fn new(page: Page, id: &'static str, paragraphs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            page,
            id,
            paragraphs: paragraphs.into_iter().map(Into::into).collect(),
            list_title: None,
            list: Vec::new(),
            links: Vec::new(),
            support: None,
            support_code: None,
        }
    }

    /// With a place to go next.
    #[must_use]
    pub fn link(mut self, visit: &Visit, id: &'static str, path: &str, label: &'static str, main: bool) -> Self {
        self.links.push(Link { id, address: visit.app.base.path(path), label, main });
        self
    }
}

/// A page as text.
///
/// # Panics
/// Never: a template writes to memory.
pub fn html(page: &impl Template) -> String {
    page.render().expect("memory takes what a template writes")
}
