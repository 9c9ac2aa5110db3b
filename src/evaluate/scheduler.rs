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
    let [id, first, last, count] =
        ["ID", "MIN", "MAX", "COUNT"].map(|name| number(&format!("SLURM_ARRAY_TASK_{name}")));
    let (id, first, last, count) = (id?, first?, last?, count?);
    let uneven = || {
        format!(
            "the {count} indices from {first} to {last} of this job array are not evenly spaced, so {id} \
             has no place among them: submit --array=1-{count}, or name the shard as I/N"
        )
    };
    let span = last.checked_sub(first).ok_or_else(uneven)?;
    let step = match count {
        0 => return Err(uneven()),
        1 => 1,
        _ => span / (count - 1),
    };
    let place = id.checked_sub(first).ok_or_else(uneven)?;
    let is_even = step > 0 && step * (count - 1) == span && place % step == 0;
    if !is_even || place / step >= count {
        return Err(uneven());
    }
    Ok(Shard { index: place / step, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Slurm says of the task `id` of an array of these indices.
    fn task(id: usize, indices: &[usize]) -> Result<Shard, String> {
        slurm(&|name| {
            Ok(match name {
                "SLURM_ARRAY_TASK_ID" => id,
                "SLURM_ARRAY_TASK_MIN" => indices[0],
                "SLURM_ARRAY_TASK_MAX" => indices[indices.len() - 1],
                "SLURM_ARRAY_TASK_COUNT" => indices.len(),
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
        assert!(task(2, &[3, 4]).is_err() && task(5, &[3, 4]).is_err());
    }
}
