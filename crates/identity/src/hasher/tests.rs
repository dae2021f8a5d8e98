use super::*;

fn hasher(max_wait: Duration) -> Hasher {
    let settings = PasswordSettings { threads: 1, max_wait, ..PasswordSettings::default() };
    Hasher::start(&settings).expect("starts")
}

fn patience() -> Patience {
    Patience { deadline: Instant::now() + Duration::from_secs(30), gone: CancellationToken::new() }
}

fn password(text: &str) -> Password {
    Password::parse(text).expect("a password")
}

#[tokio::test]
async fn a_hash_is_a_phc_string_that_only_its_password_matches() {
    let hasher = hasher(Duration::from_secs(30));
    let stored = hasher.hash(password("kopi-susu-gula-aren"), [7; 16], &patience()).await.expect("hashed");
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    for (text, matches) in [("kopi-susu-gula-aren", true), ("kopi-susu-gula-arem", false)] {
        let checked = hasher.verify(None, password(text), Some(stored.clone()), &patience()).await.expect("verified");
        assert_eq!(checked, Checked { matches, outdated: false });
    }
}

#[tokio::test]
async fn without_a_stored_hash_nothing_matches() {
    let checked =
        hasher(Duration::from_secs(30)).verify(None, password("x"), None, &patience()).await.expect("verified");
    assert_eq!(checked, Checked { matches: false, outdated: false });
}

#[tokio::test]
async fn a_hash_of_other_parameters_matches_and_is_outdated() {
    let older = Params::new(8192, 3, 1, Some(TAG_BYTES)).expect("parameters");
    let mut memory = Memory::default();
    let stored = phc_string(&older, &[1; 16], &tag(&older, &password("lama"), &[1; 16], &mut memory));
    let checked = hasher(Duration::from_secs(30))
        .verify(None, password("lama"), Some(stored), &patience())
        .await
        .expect("verified");
    assert_eq!(checked, Checked { matches: true, outdated: true });
}

#[test]
fn a_hash_of_older_parameters_costs_as_much_as_one_of_today() {
    let parameters = |memory, passes| Params::new(memory, passes, 1, Some(TAG_BYTES)).expect("parameters");
    for (older, today, more) in [
        ((19_456, 2), (19_456, 2), vec![]),
        ((19_456, 2), (19_456, 3), vec![(19_456, 1), (2090, 1)]),
        ((19_456, 2), (65_536, 2), vec![(65_536, 1), (31_672, 1)]),
        ((19_456, 1), (19_456, 3), vec![(19_456, 2), (2090, 1)]),
        ((1024, 1), (10_000, 2), vec![(10_000, 1), (10_000, 1), (16, 1)]),
        ((8192, 3), (19_456, 2), vec![(14_641, 1)]),
        ((65_536, 3), (19_456, 2), vec![]),
    ] {
        let rest = rest(&parameters(older.0, older.1), &parameters(today.0, today.1));
        let rest: Vec<_> = rest.iter().map(|it| (it.m_cost(), it.t_cost())).collect();
        assert_eq!(rest, more, "{older:?} {today:?}");
    }
}

#[tokio::test]
async fn what_is_no_hash_matches_nothing() {
    let hasher = hasher(Duration::from_secs(30));
    let checked = hasher.verify(None, password("x"), Some("$2b$10$x".into()), &patience()).await.expect("verified");
    assert_eq!(checked, Checked { matches: false, outdated: false });
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let hasher = hasher(Duration::from_millis(300));
    let calls = (0..100).map(|_| {
        let hasher = hasher.clone();
        async move { hasher.verify(None, password("x"), None, &patience()).await }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().any(Result::is_ok), "some are served");
    assert!(
        answers.iter().any(|a| matches!(a, Err(HasherError::Busy { retry_after }) if !retry_after.is_zero())),
        "the rest are refused"
    );
}

#[tokio::test]
async fn who_has_a_seat_is_served_and_the_seats_count() {
    let hasher = hasher(Duration::from_secs(1));
    let seats: Vec<_> = std::iter::from_fn(|| hasher.seat(&patience()).ok()).take(1000).collect();
    assert!((1..1000).contains(&seats.len()), "{} seats", seats.len());
    assert!(matches!(hasher.verify(None, password("x"), None, &patience()).await, Err(HasherError::Busy { .. })));
    for seat in seats {
        let checked = hasher.verify(Some(seat), password("x"), None, &patience()).await;
        assert_eq!(checked, Ok(Checked { matches: false, outdated: false }));
    }
    assert_eq!(hasher.shared.lock().seats, 0, "they were given back");
}

#[tokio::test]
async fn after_a_stall_a_free_thread_still_takes_jobs() {
    let hasher = hasher(Duration::from_secs(2));
    hasher.shared.lock().one_job = Duration::from_secs(3600);
    let checked = hasher.verify(None, password("x"), None, &patience()).await;
    assert_eq!(checked, Ok(Checked { matches: false, outdated: false }));
}

#[tokio::test]
async fn a_caller_that_has_gone_gets_no_hash() {
    let hasher = hasher(Duration::from_secs(30));
    let patience = patience();
    patience.gone.cancel();
    assert_eq!(hasher.verify(None, password("x"), None, &patience).await, Err(HasherError::Gone));
}
