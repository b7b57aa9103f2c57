//! Where the time of a training step goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::span::Id;
use tracing::{Subscriber, subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// What a caller waits for, by the name of the span that it is in; what lies within another span counts
/// there alone.
pub(crate) struct TimeShares {
    /// Seconds of the whole work.
    total: f64,
    /// Seconds within spans.
    seconds: BTreeMap<&'static str, f64>,
}

impl TimeShares {
    /// Does some work on this thread and measures it.
    pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let clock = Arc::new(Mutex::new(Clock::default()));
        let layer = Spans(clock.clone());
        let only_these = Targets::new().with_target(supernet::PROFILE, tracing::Level::TRACE);
        let spans = tracing_subscriber::registry().with(layer.with_filter(only_these));
        let start = Instant::now();
        let output = subscriber::with_default(spans, work);
        let total = start.elapsed().as_secs_f64();
        let clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = clock.spent.iter().map(|(&name, time)| (name, time.as_secs_f64())).collect();
        (output, Self { total, seconds })
    }

    /// How long the whole work took.
    pub(crate) fn seconds(&self) -> f64 {
        self.total
    }

    /// The share of each kind of work, the largest first, and of all that has no name.
    pub(crate) fn each(&self) -> Vec<(&'static str, f64)> {
        let mut shares: Vec<_> =
            self.seconds.iter().map(|(&name, seconds)| (name, seconds / self.total)).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        let named: f64 = shares.iter().map(|(_, share)| share).sum();
        shares.push(("the rest", (1.0 - named).max(0.0)));
        shares
    }
}

/// The spans that are open, outermost first, and since when the last of them is on its own.
#[derive(Default)]
struct Clock {
    spent: BTreeMap<&'static str, Duration>,
    open: Vec<(&'static str, Instant)>,
}

impl Clock {
    fn enter(&mut self, name: &'static str) {
        let now = Instant::now();
        self.charge(now);
        self.open.push((name, now));
    }

    fn exit(&mut self) {
        let now = Instant::now();
        self.charge(now);
        self.open.pop();
        if let Some((_, since)) = self.open.last_mut() {
            *since = now;
        }
    }

    /// Counts the time until now for the innermost span.
    fn charge(&mut self, now: Instant) {
        if let Some((name, since)) = self.open.last() {
            *self.spent.entry(name).or_default() += now - *since;
        }
    }
}

struct Spans(Arc<Mutex<Clock>>);

impl Spans {
    fn with(&self, act: impl FnOnce(&mut Clock)) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            self.with(|clock| clock.enter(span.name()));
        }
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        self.with(Clock::exit);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use tracing::trace_span;

    use super::*;

    #[test]
    fn every_moment_counts_once_for_the_innermost_span() {
        let pause = || sleep(Duration::from_millis(20));
        let (answer, shares) = TimeShares::of(|| {
            pause();
            trace_span!(target: supernet::PROFILE, "outer").in_scope(|| {
                pause();
                trace_span!(target: supernet::PROFILE, "inner")
                    .in_scope(|| (0..3).for_each(|_| pause()));
                trace_span!(target: "another", "unseen").in_scope(pause);
            });
            7
        });
        assert_eq!(answer, 7);
        let each = shares.each();
        assert_eq!(
            each.iter().map(|share| share.0).collect::<Vec<_>>(),
            ["inner", "outer", "the rest"]
        );
        assert!((each.iter().map(|share| share.1).sum::<f64>() - 1.0).abs() < 1e-9);
        // Of six pauses three, two and one; sleep may last longer, but not shorter.
        let seconds = |name| shares.seconds[name];
        assert!(0.06 <= seconds("inner") && 0.04 <= seconds("outer"));
        assert!(seconds("inner") + seconds("outer") + 0.02 <= shares.total + 1e-9);
    }
}
