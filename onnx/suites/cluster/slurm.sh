#!/bin/bash
# A suite on a Slurm cluster. The tasks of a job array share its work; a job behind them puts it together:
#
#   job=$(sbatch --parsable --array=1-7 slurm.sh SUITE OUT)
#   sbatch --dependency=afterok:"$job" --wrap "evaluate merge SUITE OUT/shard-* --out OUT/merged"
#
# SUITE and OUT lie on a disk that all nodes see. However many tasks the array has, and wherever its indices begin, each
# finds its own part. A task that is killed, or that reaches its time limit, takes another turn and goes on where it was.
#SBATCH --job-name=evaluate
#SBATCH --array=1-7
#SBATCH --requeue
#SBATCH --cpus-per-task=1
#SBATCH --output=evaluate-%A_%a.log
#SBATCH --open-mode=append
# A minute before the time limit: time to ask for another turn.
#SBATCH --signal=B:USR1@60
set -uo pipefail
suite=$1 out=$2/shard-$SLURM_ARRAY_TASK_ID

# Only so that it ends the wait below.
trap : USR1

# All shards need batches of one size, so it is said and not left to each node's memory.
evaluate run "$suite" --shard slurm --out "$out" --batch-size 64 \
    --engine "${ENGINE:-tract}" --threads "${SLURM_CPUS_PER_TASK:-1}" --progress json &
wait $!
status=$?

# Above 128 a signal ended it, or the wait. An error of its own would only come again.
if [ "$status" -gt 128 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 100 ]; then
    scontrol requeue "$SLURM_JOB_ID"
    sleep 60 # Slurm ends this script.
fi
exit "$status"
