//! Four experts over a thousand timesteps: who owns what, what each is trained on, and how a batch
//! that mixes timesteps finds its way there and back.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use meme_router::{Assignment, Expert, Index, Intervals, put_back, split};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let intervals = Intervals::uniform(4, 1000)?;
    let assignment = Assignment::soft(4)?;
    assignment.check(&intervals)?;

    for (expert, _) in intervals.iter() {
        let own = intervals.timesteps(expert)?;
        let share = assignment.own_share(&intervals, expert)?;
        println!("{expert}: timesteps {} to {}", own.start().get(), own.end().get());
        println!("  {:.1} % of its training images are noised to these", 100.0 * share);
    }

    let second = Expert::new(2)?;
    let drawn: Result<Vec<Index>, _> =
        (0..8).map(|image| assignment.draw(&intervals, 7, second, image)).collect();
    println!(
        "{second} trains its first images at {:?}",
        drawn?.iter().map(|i| i.get()).collect::<Vec<_>>()
    );

    let batch = [900, 3, 901, 4].map(Index::new);
    let groups = split(&batch, &intervals)?;
    // A network's answer for a row; here only its signature.
    let answers = groups
        .iter()
        .map(|(expert, rows)| {
            rows.iter().map(|row| format!("{} by {expert}", batch[*row])).collect()
        })
        .collect();
    println!("{}", put_back(&groups, answers)?.join(", "));
    Ok(())
}
