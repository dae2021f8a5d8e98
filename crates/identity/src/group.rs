//! Writes together what came one by one: whatever has queued while the last group was written makes up the next one.
//!
//! Nobody waits for a group to fill. Alone, an item is written at once; under load a commit is shared by many, and
//! costs little more than one of a single row.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::oneshot;

/// How a kind of item is written.
pub trait Write: Send + Sync + 'static {
    /// What is written.
    type Item: Send + 'static;
    /// What becomes of it.
    type Answer: Send + 'static;
    /// What a group is written with.
    type Session: Send;

    /// Gets what a group is written with, before its members are known: who comes meanwhile is among them. Without
    /// one, everybody in line is told so.
    fn session(&self) -> impl Future<Output = Option<Self::Session>> + Send;

    /// Writes a group that is not empty. Each member is to be answered; one that is not is [`Missed::Lost`].
    fn write(&self, session: Self::Session, group: Group<Self>) -> impl Future<Output = ()> + Send;
}

/// What is written together, in the order in which it came.
pub type Group<W> = Vec<Member<<W as Write>::Item, <W as Write>::Answer>>;

/// One of a group.
pub struct Member<T, A> {
    /// What is written.
    pub item: T,
    answer: oneshot::Sender<Result<A, Missed>>,
}

impl<T, A> Member<T, A> {
    /// Tells what became of it. Who has stopped waiting is not told.
    pub fn answer(self, answer: A) {
        let _ = self.answer.send(Ok(answer));
    }

    fn miss(self, missed: Missed) {
        let _ = self.answer.send(Err(missed));
    }
}

/// Why an item has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    /// The line is full; it was not written.
    #[error("too many wait")]
    Full,
    /// It was in line for as long as it may be; it was not written.
    #[error("it waited for too long")]
    Late,
    /// There was no session; it was not written.
    #[error("there was no session")]
    Away,
    /// The writer panicked; it may have been written.
    #[error("the writer panicked")]
    Lost,
}

/// How much at a time.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Members of one group.
    pub group: usize,
    /// Groups written at one time.
    pub writers: usize,
    /// Items in line.
    pub line: usize,
    /// Longest time in line.
    pub wait: Duration,
    /// How long a writer rests after a group that was not full, so that the next one is larger: for what nobody waits
    /// for. Zero where a caller waits.
    pub rest: Duration,
}

/// The line before the writers. These run while somebody waits, and only then.
pub struct Groups<W: Write> {
    write: W,
    bounds: Bounds,
    state: Mutex<State<W>>,
}

/// Who waits, by number.
type Line<W> = VecDeque<(u64, Member<<W as Write>::Item, <W as Write>::Answer>)>;

struct State<W: Write> {
    line: Line<W>,
    next_number: u64,
    writers: usize,
}

impl<W: Write> Groups<W> {
    /// An empty line.
    pub fn new(write: W, bounds: Bounds) -> Arc<Self> {
        let state = State { line: VecDeque::new(), next_number: 0, writers: 0 };
        Arc::new(Self { write, bounds, state: Mutex::new(state) })
    }

    /// Gets in line, and waits until the item's group is written. Whoever stops waiting before its group is begun is
    /// left out of it; from then on it is written in any case.
    ///
    /// # Errors
    /// [`Missed`].
    pub async fn pass(self: &Arc<Self>, item: W::Item) -> Result<W::Answer, Missed> {
        let (answer, mut answered) = oneshot::channel();
        let number = self.line_up(Member { item, answer })?;
        if let Ok(answered) = tokio::time::timeout(self.bounds.wait, &mut answered).await {
            return answered.unwrap_or(Err(Missed::Lost));
        }
        if self.leave(number) { Err(Missed::Late) } else { answered.await.unwrap_or(Err(Missed::Lost)) }
    }

    /// Whether more wait than writing them soon would take: a quarter of a group.
    pub fn is_pressed(&self) -> bool {
        self.lock().line.len() * 4 >= self.bounds.group
    }

    fn line_up(self: &Arc<Self>, member: Member<W::Item, W::Answer>) -> Result<u64, Missed> {
        let mut state = self.lock();
        if state.line.len() >= self.bounds.line {
            return Err(Missed::Full);
        }
        let number = state.next_number;
        state.next_number += 1;
        state.line.push_back((number, member));
        if state.writers < self.bounds.writers {
            state.writers += 1;
            tokio::spawn(Arc::clone(self).work());
        }
        Ok(number)
    }

    /// Leaves the line. False: it is being written already.
    fn leave(&self, number: u64) -> bool {
        let mut state = self.lock();
        let place = state.line.binary_search_by_key(&number, |(number, _)| *number);
        place.is_ok_and(|place| state.line.remove(place).is_some())
    }

    async fn work(self: Arc<Self>) {
        loop {
            // A panic costs one group its answers, and not the writer.
            let session = AssertUnwindSafe(self.write.session()).catch_unwind().await.ok().flatten();
            let Some(session) = session else {
                return self.everybody().into_iter().for_each(|(_, member)| member.miss(Missed::Away));
            };
            let Some(group) = self.next() else { return };
            let full = group.len() == self.bounds.group;
            let _ = AssertUnwindSafe(self.write.write(session, group)).catch_unwind().await;
            if !full && !self.bounds.rest.is_zero() {
                tokio::time::sleep(self.bounds.rest).await;
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// The next group of those who still wait; none: this writer is done.
    fn next(&self) -> Option<Group<W>> {
        let mut state = self.lock();
        let mut group = Vec::new();
        while group.len() < self.bounds.group
            && let Some((_, member)) = state.line.pop_front()
        {
            if !member.answer.is_closed() {
                group.push(member);
            }
        }
        if group.is_empty() {
            state.writers -= 1;
            return None;
        }
        Some(group)
    }

    /// Whether nobody is in line; this writer is done then.
    fn is_over(&self) -> bool {
        let mut state = self.lock();
        let over = state.line.is_empty();
        state.writers -= usize::from(over);
        over
    }

    /// Everybody in line; this writer is done.
    fn everybody(&self) -> Line<W> {
        let mut state = self.lock();
        state.writers -= 1;
        std::mem::take(&mut state.line)
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// Writes when it is let to, and answers each number with the size of its group.
    struct Slow {
        sessions: Arc<Semaphore>,
        groups: Arc<Semaphore>,
        written: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    impl Write for Slow {
        type Item = u32;
        type Answer = usize;
        type Session = ();

        async fn session(&self) -> Option<()> {
            self.sessions.acquire().await.ok().map(|permit| permit.forget())
        }

        async fn write(&self, (): (), group: Group<Self>) {
            self.groups.acquire().await.expect("open").forget();
            let numbers: Vec<u32> = group.iter().map(|member| member.item).collect();
            assert!(!numbers.contains(&13), "a number that is not written");
            group.into_iter().for_each(|member| member.answer(numbers.len()));
            self.written.lock().expect("whole").push(numbers);
        }
    }

    const WAIT: Duration = Duration::from_secs(2);

    struct Scene {
        groups: Arc<Groups<Slow>>,
        sessions: Arc<Semaphore>,
        may_write: Arc<Semaphore>,
        written: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    fn scene(line: usize) -> Scene {
        resting(line, Duration::ZERO)
    }

    fn resting(line: usize, rest: Duration) -> Scene {
        let (sessions, may_write) = (Arc::new(Semaphore::new(100)), Arc::new(Semaphore::new(0)));
        let written = Arc::<Mutex<Vec<Vec<u32>>>>::default();
        let slow =
            Slow { sessions: Arc::clone(&sessions), groups: Arc::clone(&may_write), written: Arc::clone(&written) };
        let groups = Groups::new(slow, Bounds { group: 3, writers: 1, line, wait: WAIT, rest });
        Scene { groups, sessions, may_write, written }
    }

    impl Scene {
        async fn come(&self, number: u32) -> tokio::task::JoinHandle<Result<usize, Missed>> {
            let groups = Arc::clone(&self.groups);
            let coming = tokio::spawn(async move { groups.pass(number).await });
            // Until it waits, and the writer has begun what it can.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            coming
        }
    }

    #[tokio::test]
    async fn what_queues_while_a_group_is_written_makes_up_the_next() {
        let scene = scene(10);
        let first = scene.come(1).await;
        let mut others = Vec::new();
        for number in 2..=5 {
            others.push(scene.come(number).await);
        }
        scene.may_write.add_permits(3);
        assert_eq!(first.await.expect("it ends"), Ok(1), "nobody waits for company");
        let mut sizes = Vec::new();
        for other in others {
            sizes.push(other.await.expect("it ends").expect("it is written"));
        }
        assert_eq!(sizes, [3, 3, 3, 1]);
        assert_eq!(*scene.written.lock().expect("whole"), [vec![1], vec![2, 3, 4], vec![5]]);
        assert_eq!(scene.groups.lock().writers, 0, "no writer waits");
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_rests_gathers_more_and_a_full_group_is_followed_at_once() {
        let rest = Duration::from_millis(15);
        let scene = resting(10, rest);
        scene.may_write.add_permits(10);
        assert_eq!(scene.come(1).await.await.expect("it ends"), Ok(1), "nobody waits for company");
        let began = tokio::time::Instant::now();
        let others = [scene.come(2).await, scene.come(3).await, scene.come(4).await, scene.come(5).await];
        let mut sizes = Vec::new();
        for other in others {
            sizes.push(other.await.expect("it ends").expect("it is written"));
        }
        assert_eq!(sizes, [3, 3, 3, 1]);
        assert_eq!(began.elapsed().as_millis(), rest.as_millis(), "one rest, after the one that was alone");
    }

    #[tokio::test]
    async fn who_goes_away_in_line_is_left_out_and_a_full_line_refuses() {
        let scene = scene(2);
        let first = scene.come(1).await;
        let goes = scene.come(2).await;
        let stays = scene.come(3).await;
        assert_eq!(scene.come(4).await.await.expect("it ends"), Err(Missed::Full));
        goes.abort();
        let _ = goes.await;
        scene.may_write.add_permits(2);
        assert_eq!((first.await.expect("it ends"), stays.await.expect("it ends")), (Ok(1), Ok(1)));
        assert_eq!(*scene.written.lock().expect("whole"), [vec![1], vec![3]]);
    }

    #[tokio::test]
    async fn a_panic_costs_one_group_its_answers() {
        let scene = scene(10);
        let bad = scene.come(13).await;
        let good = scene.come(1).await;
        scene.may_write.add_permits(2);
        assert_eq!(bad.await.expect("it ends"), Err(Missed::Lost));
        assert_eq!(good.await.expect("it ends"), Ok(1));
    }

    #[tokio::test]
    async fn without_a_session_everybody_in_line_is_told() {
        let scene = scene(10);
        scene.sessions.forget_permits(100);
        let (first, second) = (scene.come(1).await, scene.come(2).await);
        scene.sessions.close();
        assert_eq!(first.await.expect("it ends"), Err(Missed::Away));
        assert_eq!(second.await.expect("it ends"), Err(Missed::Away));
        assert_eq!(scene.groups.lock().writers, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_in_line_for_too_long_is_not_written_and_who_is_being_written_waits() {
        let scene = scene(10);
        let (first, second) = (scene.come(1).await, scene.come(2).await);
        tokio::time::sleep(2 * WAIT).await;
        assert_eq!(second.await.expect("it ends"), Err(Missed::Late));
        scene.may_write.add_permits(2);
        assert_eq!(first.await.expect("it ends"), Ok(1));
        assert_eq!(*scene.written.lock().expect("whole"), [vec![1]]);
    }
}
