//! A person without a mouse.

use testbed::browser::fantoccini::{
    actions::{InputSource, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction},
    key::Key,
};

use super::Window;

/// More than any of our pages has to stop at.
const STOPS: usize = 40;

impl Window {
    /// Presses and releases a key.
    pub async fn press(&self, key: char) {
        self.type_text(&key.to_string()).await;
    }

    /// Types into whatever has the focus.
    pub async fn type_text(&self, text: &str) {
        let keys = text.chars().fold(KeyActions::new("keyboard".to_owned()), |keys, value| {
            keys.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.browser.client().perform_actions(keys).await.unwrap_or_else(|error| panic!("keys: {error}"));
    }

    /// Presses the mouse's button twice on an element, as people do who think that one does nothing.
    pub async fn double_click(&self, css: &str) {
        let element = self.see(css).await;
        let (down, up) =
            (PointerAction::Down { button: MOUSE_BUTTON_LEFT }, PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        let there = PointerAction::MoveToElement { element, duration: None, x: 0.0, y: 0.0 };
        let mouse = [there, down.clone(), up.clone(), down, up];
        let mouse = mouse.into_iter().fold(MouseActions::new("mouse".to_owned()), MouseActions::then);
        self.browser.client().perform_actions(mouse).await.unwrap_or_else(|error| panic!("the mouse: {error}"));
    }

    /// Goes on from stop to stop until the element has the focus.
    ///
    /// # Panics
    /// When it is not reached, with the stops in between; or when a stop does not show that it has the focus.
    pub async fn tab_to(&self, css: &str) {
        let mut stops = Vec::new();
        for _ in 0..STOPS {
            if self.has_focus(css).await {
                return;
            }
            self.press(Key::Tab.into()).await;
            let stop = self.focus().await;
            assert!(self.focus_shows().await, "{stop} does not show that it has the focus");
            stops.push(stop);
        }
        panic!("{css} is not reached by the keyboard: {stops:?}");
    }

    /// Presses Tab on a page on which nothing has the focus yet, until something has: a page that was opened just now
    /// may not hear the first one.
    pub async fn tab_from_the_start(&self) {
        for _ in 0..10 {
            self.press(Key::Tab.into()).await;
            for _ in 0..20 {
                if !self.has_focus("body").await {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }

    /// Whether the element has the focus.
    pub async fn has_focus(&self, css: &str) -> bool {
        let script = "return document.activeElement.matches(arguments[0]);";
        self.run(script, &[css.into()]).await == serde_json::Value::Bool(true)
    }

    /// What has the focus, for people.
    async fn focus(&self) -> String {
        let script = "const at = document.activeElement; return at.tagName + (at.id && '#' + at.id);";
        self.run(script, &[]).await.as_str().unwrap_or_default().to_owned()
    }

    /// Whether one sees where the focus is (WCAG 2.2, 2.4.7). The page itself need not show it.
    async fn focus_shows(&self) -> bool {
        let script = "
            const at = document.activeElement, style = getComputedStyle(at);
            return at === document.body || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0);";
        self.run(script, &[]).await == serde_json::Value::Bool(true)
    }
}
