//! Which shard this process is, from its argument or from what a cluster's scheduler says.

use undetected_onnx::suite::Shard;

/// A shard: `I/N`, `slurm` or `kubernetes/N`.
///
/// # Errors
/// What is wrong, and what to write.
pub fn shard(text: &str) -> Result<Shard, String> {
    let number = |name: &str| -> Result<usize, String> {
        let value = std::env::var(name).map_err(|_| format!("{name} is not in the environment"))?;
        value.parse().map_err(|_| format!("{name} is '{value}', which is no number"))
    };
    if text == "slurm" {
        return slurm(&number);
    }
    match text.strip_prefix("kubernetes/") {
        Some(count) => format!("{}/{count}", number("JOB_COMPLETION_INDEX")? + 1).parse(),
        None => text.parse(),
    }
}

/// The place of a task among those of its job array, whose indices may start anywhere and have steps.
fn slurm(number: &dyn Fn(&str) -> Result<usize, String>) -> Result<Shard, String> {
    let of_array = |name: &str| number(&format!("SLURM_ARRAY_TASK_{name}"));
    let (id, first, last) = (of_array("ID")?, of_array("MIN")?, of_array("MAX")?);
    let (count, step) = (of_array("COUNT")?, of_array("STEP")?);
    let place = || {
        // A list of indices has step 1, whatever lies between them.
        let spans = step.checked_mul(count.checked_sub(1)?) == last.checked_sub(first);
        let behind = id.checked_sub(first)?;
        let is_index = spans && id <= last && step > 0 && behind % step == 0;
        is_index.then(|| Shard { index: behind / step, count })
    };
    place().ok_or_else(|| {
        format!(
            "the {count} indices from {first} to {last} of this job array are not evenly spaced, so {id} \
             has no place among them: submit --array=1-{count}, or name the shard as I/N"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Slurm says of the task `id` of an array of these indices; of a list, that its step is 1.
    fn task(id: usize, indices: &[usize]) -> Result<Shard, String> {
        let steps: Vec<usize> = indices.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let is_even = steps.windows(2).all(|pair| pair[0] == pair[1]);
        let step = steps.first().filter(|_| is_even).copied().unwrap_or(1);
        slurm(&|name| {
            Ok(match name {
                "SLURM_ARRAY_TASK_ID" => id,
                "SLURM_ARRAY_TASK_MIN" => indices[0],
                "SLURM_ARRAY_TASK_MAX" => indices[indices.len() - 1],
                "SLURM_ARRAY_TASK_COUNT" => indices.len(),
                "SLURM_ARRAY_TASK_STEP" => step,
                other => return Err(other.to_owned()),
            })
        })
    }

    #[test]
    fn arrays_start_anywhere_and_have_steps() {
        for indices in [&[0, 1, 2, 3][..], &[1, 2], &[3, 5, 7], &[10, 20, 30], &[4], &[0]] {
            for (index, id) in indices.iter().enumerate() {
                assert_eq!(task(*id, indices), Ok(Shard { index, count: indices.len() }));
            }
        }
    }

    #[test]
    fn uneven_arrays_are_refused_with_the_remedy() {
        for id in [1, 4, 9] {
            let error = task(id, &[1, 4, 9]).unwrap_err();
            assert!(error.contains("--array=1-3") && error.contains("I/N"), "{error}");
        }
        assert!(
            task(2, &[3, 4]).is_err() && task(5, &[3, 4]).is_err() && task(4, &[3, 5]).is_err()
        );
    }
}
