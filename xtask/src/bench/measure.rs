//! Turns.

use super::plan::{Contestant, Group};
use super::report::{Measured, Outcome};
use super::worker::{Entry, Memory, Worker};

/// A turn lasts at least so long in seconds, in as many passes as that takes.
const TURN: f64 = 0.4;
const MOST_PASSES: usize = 50;

/// What computes when it is asked to; a process, or in tests a list of numbers.
pub(super) trait Runner {
    /// Seconds of each of so many passes.
    fn run(&mut self, passes: usize) -> Result<Vec<f64>, String>;
    fn memory(&mut self) -> Result<Memory, String>;
}

impl Runner for Worker {
    fn run(&mut self, passes: usize) -> Result<Vec<f64>, String> {
        Worker::run(self, passes)
    }

    fn memory(&mut self) -> Result<Memory, String> {
        Worker::memory(self)
    }
}

/// Gives every contestant of a group its turn in each round, then lets them go.
pub(super) fn interleave(group: &Group, entries: Vec<Entry>, rounds: usize) -> Measured {
    let parameters: Vec<Option<u64>> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Ready(worker) => Some(worker.parameters),
            Entry::Unavailable(_) | Entry::Failed(_) => None,
        })
        .collect();
    let mut players: Vec<Player<Worker>> = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Ready(worker) => Player::new(worker),
            Entry::Unavailable(reason) => Player::absent(Outcome::Unavailable { reason }),
            Entry::Failed(problem) => Player::absent(Outcome::Failed { problem }),
        })
        .collect();
    for (player, (contestant, found)) in
        players.iter_mut().zip(group.contestants.iter().zip(parameters))
    {
        player.check_size(contestant, found);
    }
    play(&mut players, rounds);
    let outcomes = players.into_iter().map(Player::outcome);
    Measured::new(&group.title, group.contestants.iter().cloned().zip(outcomes).collect())
}

struct Player<R> {
    runner: Option<R>,
    /// Passes of a turn.
    passes: usize,
    /// Median pass of each round.
    seconds: Vec<f64>,
    absence: Option<Outcome>,
}

impl<R: Runner> Player<R> {
    fn new(runner: R) -> Self {
        Player { runner: Some(runner), passes: 1, seconds: Vec::new(), absence: None }
    }

    fn absent(outcome: Outcome) -> Self {
        Player { runner: None, passes: 1, seconds: Vec::new(), absence: Some(outcome) }
    }

    fn fail(&mut self, problem: String) {
        self.runner = None;
        self.absence = Some(Outcome::Failed { problem });
    }

    /// Networks of different size must not be compared as if they were the same.
    fn check_size(&mut self, contestant: &Contestant, found: Option<u64>) {
        let expected = contestant.network.parameters;
        if let Some(found) = found.filter(|found| *found != expected) {
            self.fail(format!("its network has {found} parameters instead of {expected}"));
        }
    }

    /// One turn; its median pass is the time of the round.
    fn turn(&mut self) -> Option<f64> {
        let passes = self.passes;
        let seconds = match self.runner.as_mut()?.run(passes) {
            Ok(seconds) => seconds,
            Err(problem) => {
                self.fail(problem);
                return None;
            }
        };
        super::ratio::median(&seconds)
    }

    fn outcome(mut self) -> Outcome {
        if let Some(absence) = self.absence {
            return absence;
        }
        let memory = match self.runner.as_mut().map(Runner::memory) {
            Some(Ok(memory)) => memory,
            Some(Err(problem)) => return Outcome::Failed { problem },
            None => return Outcome::Failed { problem: "it never began".to_owned() },
        };
        Outcome::Timed { seconds: self.seconds, memory }
    }
}

/// A turn for each in each round, after one that only says how many passes a turn should have.
fn play<R: Runner>(players: &mut [Player<R>], rounds: usize) {
    for player in players.iter_mut() {
        if let Some(seconds) = player.turn() {
            player.passes = ((TURN / seconds).ceil() as usize).clamp(1, MOST_PASSES);
        }
    }
    for _ in 0..rounds {
        for player in players.iter_mut() {
            if let Some(seconds) = player.turn() {
                player.seconds.push(seconds);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, Outcome, Player, Runner, play};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Takes the same time for every pass, notes its turns in a common list, dies at one of them.
    struct Fake {
        name: &'static str,
        seconds: f64,
        dies_at: usize,
        turns: usize,
        turn_list: Rc<RefCell<Vec<(&'static str, usize)>>>,
    }

    impl Runner for Fake {
        fn run(&mut self, passes: usize) -> Result<Vec<f64>, String> {
            self.turns += 1;
            if self.turns == self.dies_at {
                return Err("it died".to_owned());
            }
            self.turn_list.borrow_mut().push((self.name, passes));
            Ok(vec![self.seconds; passes])
        }

        fn memory(&mut self) -> Result<Memory, String> {
            Ok(Memory { peak: 2, start: 1 })
        }
    }

    #[test]
    fn contestants_take_turns_and_fast_ones_compute_longer() {
        let list = Rc::default();
        let fake = |name, seconds| {
            let turn_list = Rc::clone(&list);
            Player::new(Fake { name, seconds, dies_at: 0, turns: 0, turn_list })
        };
        let mut players = [fake("a", 0.125), fake("b", 9.0)];
        play(&mut players, 2);
        let expected = [("a", 1), ("b", 1), ("a", 4), ("b", 1), ("a", 4), ("b", 1)];
        assert_eq!(*list.borrow(), expected);
        assert_eq!(players[0].seconds, [0.125; 2]);
    }

    #[test]
    fn one_that_dies_does_not_take_the_others_along() {
        let list = Rc::default();
        let fake = |name, dies_at| {
            let turn_list = Rc::clone(&list);
            Player::new(Fake { name, seconds: 1.0, dies_at, turns: 0, turn_list })
        };
        let mut players = vec![fake("a", 3), fake("b", 0)];
        play(&mut players, 3);
        let [a, b] = [players.remove(0).outcome(), players.remove(0).outcome()];
        assert_eq!(a, Outcome::Failed { problem: "it died".to_owned() });
        let memory = Memory { peak: 2, start: 1 };
        assert_eq!(b, Outcome::Timed { seconds: vec![1.0; 3], memory });
    }
}
