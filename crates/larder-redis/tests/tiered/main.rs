//! Memory in front of a real server: the contract, and that memory follows Redis whatever overlaps.

mod c2;
mod stack;

mod conformance {
    use larder_testkit::{Subject, Time};

    use crate::stack::Stack;

    async fn subject() -> Subject {
        let stack = Stack::shared().await;
        let (store, namespace) = (stack.store.clone(), stack.namespace.clone());
        Subject::new(store, Time::Real)
            .within(namespace)
            .keeping(stack)
    }

    larder_testkit::conformance!(subject);
}
