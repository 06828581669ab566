//! S3: values appear in no `Debug` and no error.

use crate::stacks::{all, secs};

#[tokio::test]
async fn s3_no_debug_and_no_error_shows_a_value() {
    const SECRET: &str = "hunter2-hunter2";
    for stack in all().await {
        let space = stack.cache.space::<String>("session");
        let set = space.set("k", SECRET.to_owned()).ttl(secs(60));
        let mut shown = vec![format!("{set:?}")];
        set.await.unwrap();
        stack.cache.set_raw("raw", SECRET).await.unwrap();
        let entry = stack.cache.store();
        shown.push(format!(
            "{entry:?} {:?} {space:?} {:?}",
            stack.cache,
            stack.cache.stats()
        ));
        shown.push(format!("{:?}", space.head("k").await.unwrap()));
        let error = stack.cache.increment("session:k", 1).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
        let mut pipeline = stack.cache.pipeline();
        pipeline.set("k", SECRET.to_owned());
        shown.push(format!("{pipeline:?}"));
        let replies = pipeline.execute().await.unwrap();
        shown.push(format!("{replies:?}"));
        for text in shown {
            assert!(!text.contains(SECRET), "{}: {text}", stack.name);
        }
    }
}
