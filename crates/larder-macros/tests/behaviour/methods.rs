//! Methods: a service is a cheap handle, of which the load gets a clone.

use std::convert::Infallible;

use larder::cached;

use crate::origin::Origin;

/// A service.
#[derive(Clone)]
struct Names {
    origin: Origin,
    greeting: String,
}

impl Names {
    /// A greeting.
    #[cached(cache = self.origin.names, key = "{code}", ttl = "5m")]
    pub(crate) async fn of(&self, code: &str) -> Result<String, Infallible> {
        let call = self.origin.call();
        Ok(format!("{} {code} {call}", self.greeting))
    }

    #[cached(cache = self.origin.names)]
    async fn all(&self) -> Result<String, Infallible> {
        // A cached method that calls another one.
        let one = self.of("ALL").await.expect("can't fail");
        Ok(format!("[{one}]"))
    }
}

/// A service over a type.
#[derive(Clone)]
struct Typed<T> {
    origin: Origin,
    value: T,
}

impl<T: std::fmt::Debug + Clone + Send + Sync + 'static> Typed<T> {
    #[cached(cache = &self.origin.names, key = "{suffix}")]
    async fn shown(&self, suffix: &str) -> Result<String, Infallible> {
        self.origin.call();
        Ok(format!("{:?}{suffix}", self.value))
    }
}

#[tokio::test]
async fn a_method_is_cached_with_its_siblings() {
    let names = Names {
        origin: Origin::new().await,
        greeting: "hello".to_owned(),
    };
    assert_eq!(names.of("LHR").await.unwrap().as_str(), "hello LHR 1");
    assert_eq!(names.of("LHR").await.unwrap().as_str(), "hello LHR 1");
    let Ok(uncached) = names.of_uncached("LHR").await;
    assert_eq!(uncached, "hello LHR 2");
    assert!(names.of_invalidate("LHR").await.unwrap().existed());
    assert_eq!(names.of("LHR").await.unwrap().as_str(), "hello LHR 3");
}

#[tokio::test]
async fn a_method_without_arguments_needs_no_key_and_may_call_another() {
    let names = Names {
        origin: Origin::new().await,
        greeting: "hi".to_owned(),
    };
    assert_eq!(names.all().await.unwrap().as_str(), "[hi ALL 1]");
    assert_eq!(names.all().await.unwrap().as_str(), "[hi ALL 1]");
    assert!(names.origin.has("behaviour::methods::all").await);
}

#[tokio::test]
async fn a_method_of_a_generic_type_is_cached() {
    let typed = Typed {
        origin: Origin::new().await,
        value: Some(1),
    };
    assert_eq!(typed.shown("?").await.unwrap().as_str(), "Some(1)?");
    assert_eq!(typed.shown("?").await.unwrap().as_str(), "Some(1)?");
    assert_eq!(typed.origin.calls(), 1);
}
