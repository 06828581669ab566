//! One list on its way through both backends.

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, EntryId, Error, Expiry, Fill, FillToken, Key,
    Lease, LeaseMode, LeaseOptions, Lifetime, Namespace, Operation, Peek, ReadOptions, Result,
    Timestamp, Update, Value, Version, View, WriteOptions,
};

use super::compare;
use super::steps::{Known, Life, Mode, Sees, Single, Step};
use crate::{ReferenceBackend, Subject};

pub(super) struct Play<'a> {
    subject: &'a Subject,
    reference: ReferenceBackend,
    namespace: Namespace,
    generation: Version,
    tokens: Vec<Option<Leased>>,
    /// The times at which an answer changes by itself.
    borders: Vec<Timestamp>,
    entries: u32,
}

/// A lease that both have granted.
struct Leased {
    subjects: FillToken,
    references: FillToken,
    /// What is loaded under it is of the generation in which the load began.
    generation: Version,
    /// When the entry ends over which it was granted.
    over: Option<Timestamp>,
}

type Outcome = std::result::Result<(), String>;

impl<'a> Play<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        Self {
            subject,
            reference: ReferenceBackend::new(std::sync::Arc::clone(subject.clock())),
            namespace: subject.unused_namespace(),
            generation: Version::random(),
            tokens: Vec::new(),
            borders: Vec::new(),
            entries: 0,
        }
    }

    /// Answers whether to go on: not if a border was so near that both answers were right.
    pub(super) async fn step(&mut self, step: &Step) -> std::result::Result<bool, String> {
        self.release_ended().await?;
        let before = self.subject.now();
        let outcome = self.perform(step).await;
        if self.subject.is_real_time() && !matches!(step, Step::Pass) {
            let margin = Subject::LAG;
            let near = |border: &&Timestamp| {
                before <= border.saturating_add(margin)
                    && **border <= self.subject.now().saturating_add(margin)
            };
            if self.borders.iter().any(|border| near(&border)) {
                return Ok(false);
            }
        }
        outcome.map(|()| true)
    }

    async fn perform(&mut self, step: &Step) -> Outcome {
        match step {
            Step::One(single, sees) => {
                let namespace = self.namespace.clone();
                let operation = self.prepare(&namespace, single).await;
                let options = WriteOptions::default().with_view(self.view(*sees));
                let expected = self.expected(operation.clone(), &options).await;
                let answered = perform(self.subject.backend(), operation, &options).await;
                compare::replies(&answered, &expected)
            }
            Step::Batch(singles, sees) => self.batch(singles, *sees).await,
            Step::Scan => self.scan().await,
            Step::Peek(key) => self.peek(key),
            Step::PutNow(..) | Step::ForgetNow(_) if !self.subject.capability().immediate => Ok(()),
            Step::PutNow(key, life, schema) => {
                let entry = self.entry(*life, *schema);
                let key = named(&self.namespace, key);
                self.reference
                    .put_now(&key, entry.clone())
                    .map_err(|error| error.to_string())?;
                self.subject
                    .backend()
                    .put_now(&key, entry)
                    .map_err(|error| error.to_string())
            }
            Step::ForgetNow(key) => {
                let key = named(&self.namespace, key);
                self.reference
                    .forget_now(&key)
                    .map_err(|error| error.to_string())?;
                self.subject
                    .backend()
                    .forget_now(&key)
                    .map_err(|error| error.to_string())
            }
            Step::Lease(..) | Step::Fill(..) | Step::Release(_)
                if !self.subject.capability().lease =>
            {
                Ok(())
            }
            Step::Lease(key, mode, life, sees) => self.lease(key, *mode, *life, *sees).await,
            Step::Fill(token, schema) => self.fill(*token, *schema).await,
            Step::Release(token) => self.release(*token).await,
            Step::Clear => {
                self.generation = Version::random();
                Ok(())
            }
            Step::Pass => {
                self.subject.pass(Subject::MOMENT).await;
                Ok(())
            }
        }
    }

    async fn batch(&mut self, singles: &[Single], sees: Sees) -> Outcome {
        let namespace = self.namespace.clone();
        let options = WriteOptions::default().with_view(self.view(sees));
        // What an id is must be known before the batch, so later operations replace what was there then.
        let mut operations = Vec::new();
        for single in singles {
            operations.push(self.prepare(&namespace, single).await);
        }
        let mut expected = Vec::new();
        for operation in operations.clone() {
            expected.push(self.expected(operation, &options).await);
        }
        let answered = self.subject.backend().batch(operations, &options).await;
        compare::same_or(
            answered.len() == expected.len(),
            &answered.len(),
            &expected.len(),
        )?;
        for (at, (answered, expected)) in answered.iter().zip(&expected).enumerate() {
            let place = |why| format!("operation {} of the batch: {why}", at + 1);
            compare::replies(answered, expected).map_err(place)?;
        }
        Ok(())
    }

    /// What one operation must answer: what the reference answers, if the ability is claimed.
    async fn expected(
        &self,
        operation: BatchOperation<'_>,
        options: &WriteOptions,
    ) -> Result<BatchReply> {
        let can = self.subject.capability();
        match &operation {
            BatchOperation::Expire(..) if !can.expire => Err(Error::unsupported(Operation::Expire)),
            BatchOperation::Update(_, Update::Increment { .. }) if !can.counters => {
                Err(Error::unsupported(Operation::Update))
            }
            BatchOperation::Update(_, update)
                if !can.conditional && !matches!(update, Update::Increment { .. }) =>
            {
                Err(Error::unsupported(Operation::Update))
            }
            _ => perform(&self.reference, operation, options).await,
        }
    }

    async fn scan(&self) -> Outcome {
        if !self.subject.capability().scan {
            return Ok(());
        }
        let mut answered = self.subject.scan_of(&self.namespace, "*", 2).await;
        answered.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut expected = Vec::new();
        for key in ["a", "b", "c", "d"] {
            let head = self
                .reference
                .head(&named(&self.namespace, key), &ReadOptions::default())
                .await;
            expected.extend(
                head.map_err(|error| error.to_string())?
                    .map(|head| (key.to_owned(), head)),
            );
        }
        compare::listings(&answered, &expected)
    }

    fn peek(&self, key: &str) -> Outcome {
        let key = named(&self.namespace, key);
        let now = self.subject.now();
        match (
            self.subject.backend().peek(&key, now),
            self.reference.peek(&key, now),
        ) {
            (Peek::Hit(answered), Peek::Hit(expected)) => {
                compare::entries(Some(&answered), Some(&expected))
            }
            (Peek::Miss, Peek::Miss) => Ok(()),
            (Peek::Pending, _) if !self.subject.capability().immediate => Ok(()),
            (answered, expected) => compare::same_or(false, &answered, &expected),
        }
    }

    async fn lease(&mut self, key: &str, mode: Mode, life: Life, sees: Sees) -> Outcome {
        let until = self.lifetime(life).fresh_until;
        let key = named(&self.namespace, key);
        let options = LeaseOptions::until(until)
            .with_view(self.view(sees))
            .with_mode(match mode {
                Mode::Load => LeaseMode::Load,
                Mode::Refresh => LeaseMode::Refresh,
            });
        let expected = one(self.reference.lease(&[key], &options).await)?;
        let answered = one(self.subject.backend().lease(&[key], &options).await)?;
        compare::leases(&answered, &expected)?;
        if let (
            Lease::Granted {
                token: subjects, ..
            },
            Lease::Granted {
                token: references,
                seen,
            },
        ) = (answered, expected)
        {
            self.tokens.push(Some(Leased {
                subjects,
                references,
                generation: self.generation,
                over: seen.map(|seen| seen.head().lifetime().expires_at),
            }));
        }
        Ok(())
    }

    /// Gives back the leases on entries that have expired: they may have ended with them or not.
    async fn release_ended(&mut self) -> Outcome {
        let now = self.subject.now();
        for at in 0..self.tokens.len() {
            let ended = |leased: &Leased| leased.over.is_some_and(|over| over <= now);
            if self.tokens[at].as_ref().is_some_and(ended) {
                self.release(at).await?;
            }
        }
        Ok(())
    }

    fn leased(&mut self, at: usize) -> Option<Leased> {
        let count = self.tokens.len();
        self.tokens.get_mut(at % count.max(1))?.take()
    }

    async fn fill(&mut self, at: usize, schema: u32) -> Outcome {
        let entry = self.entry(Life::Long, schema);
        let Some(leased) = self.leased(at) else {
            return Ok(());
        };
        let entry = entry.with_generation(Some(leased.generation));
        let options = WriteOptions::default();
        let fill = |token| {
            let entry = entry.clone();
            vec![Fill { token, entry }]
        };
        let expected = self.reference.fill(fill(leased.references), &options).await;
        let answered = self
            .subject
            .backend()
            .fill(fill(leased.subjects), &options)
            .await;
        let (answered, expected) = (one(answered)?, one(expected)?);
        compare::same_or(answered == expected, &answered, &expected)
    }

    async fn release(&mut self, at: usize) -> Outcome {
        let Some(leased) = self.leased(at) else {
            return Ok(());
        };
        let options = WriteOptions::default();
        self.reference
            .release(vec![leased.references], &options)
            .await
            .map_err(|error| error.to_string())?;
        self.subject
            .backend()
            .release(vec![leased.subjects], &options)
            .await
            .map_err(|error| error.to_string())
    }

    /// Makes the entries of an operation, once for both backends.
    async fn prepare<'k>(
        &mut self,
        namespace: &'k Namespace,
        single: &Single,
    ) -> BatchOperation<'k> {
        match single {
            Single::Get(key) => BatchOperation::Get(named(namespace, key)),
            Single::Head(key) => BatchOperation::Head(named(namespace, key)),
            Single::Set(key, life, schema) => {
                BatchOperation::Set(named(namespace, key), self.entry(*life, *schema))
            }
            Single::SetCounter(key, life) => {
                let entry = self.entry(*life, 1).with_counter(10);
                BatchOperation::Set(named(namespace, key), entry)
            }
            Single::SetAbsence(key, life) => {
                let absence = Entry::absent(self.lifetime(*life));
                let entry = self.stamped(absence);
                BatchOperation::Set(named(namespace, key), entry.with_schema(1))
            }
            Single::Delete(key) => BatchOperation::Delete(named(namespace, key)),
            Single::Invalidate(key) => BatchOperation::Invalidate(named(namespace, key)),
            Single::Expire(key, life) => {
                BatchOperation::Expire(named(namespace, key), Expiry::new(self.lifetime(*life)))
            }
            Single::Increment(key, by, life) => {
                let template = self.entry(*life, 1);
                BatchOperation::Update(
                    named(namespace, key),
                    Update::Increment { by: *by, template },
                )
            }
            Single::SetIfAbsent(key, life, schema) => {
                let entry = self.entry(*life, *schema);
                BatchOperation::Update(named(namespace, key), Update::SetIfAbsent(entry))
            }
            Single::ReplaceIf(key, known) => {
                let key = named(namespace, key);
                let present = self.reference.get(&key, &ReadOptions::default()).await;
                let id = match (known, present) {
                    (Known::Present, Ok(Some(entry))) => entry.id(),
                    _ => EntryId::random(),
                };
                let entry = self.entry(Life::Long, 1);
                BatchOperation::Update(key, Update::ReplaceIf { id, entry })
            }
            Single::Take(key) => BatchOperation::Update(named(namespace, key), Update::Take),
        }
    }

    fn entry(&mut self, life: Life, schema: u32) -> Entry {
        self.entries += 1;
        let value = Value::raw(format!("value {}", self.entries).into());
        let entry = Entry::new(value, self.lifetime(life));
        self.stamped(entry).with_schema(schema)
    }

    fn stamped(&self, entry: Entry) -> Entry {
        entry.with_generation(Some(self.generation))
    }

    fn view(&self, sees: Sees) -> View {
        let view = View::default().with_generation(Some(self.generation));
        match sees {
            Sees::All => view,
            Sees::Only(schema) => view.with_schema(Some(schema)),
        }
    }

    /// On whole milliseconds, so that a backend that stores them loses nothing.
    fn lifetime(&mut self, life: Life) -> Lifetime {
        let (fresh, stale) = life.fresh_and_stale();
        let created = Timestamp::from_millis(self.subject.now().as_millis());
        let fresh_until = created.saturating_add(fresh);
        let expires_at = fresh_until.saturating_add(stale);
        self.borders.extend([fresh_until, expires_at]);
        Lifetime {
            created,
            fresh_until,
            expires_at,
        }
    }
}

/// One operation, by the method of its name.
async fn perform(
    backend: &dyn Backend,
    operation: BatchOperation<'_>,
    options: &WriteOptions,
) -> Result<BatchReply> {
    let reading = ReadOptions::default().with_view(options.view);
    Ok(match operation {
        BatchOperation::Get(key) => BatchReply::Entry(backend.get(&key, &reading).await?),
        BatchOperation::Head(key) => BatchReply::Head(backend.head(&key, &reading).await?),
        BatchOperation::Set(key, entry) => {
            backend.set(&key, entry, options).await?;
            BatchReply::Stored
        }
        BatchOperation::Delete(key) => BatchReply::Deleted(backend.delete(&key, options).await?),
        BatchOperation::Invalidate(key) => {
            BatchReply::Deleted(backend.invalidate(&key, options).await?)
        }
        BatchOperation::Expire(key, expiry) => {
            BatchReply::Expired(backend.expire(&key, expiry, options).await?)
        }
        BatchOperation::Update(key, update) => {
            BatchReply::Updated(backend.update(&key, update, options).await?)
        }
        other => panic!("the suite makes no {other:?}"),
    })
}

fn named<'k>(namespace: &'k Namespace, name: &'k str) -> Key<'k> {
    Key::new(namespace, "", name).expect("a letter keeps the rules")
}

fn one<T>(answers: Vec<Result<T>>) -> std::result::Result<T, String> {
    match <[_; 1]>::try_from(answers) {
        Ok([answer]) => answer.map_err(|error| error.to_string()),
        Err(answers) => Err(format!("{} answers to one question", answers.len())),
    }
}
