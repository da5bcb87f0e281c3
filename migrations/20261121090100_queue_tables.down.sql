-- Loses: every job with its outcome, unique keys, dead letters, workers, pauses and figures

drop function ops.sum_tallies();
drop function ops.maintain(interval);
drop function ops.make_partitions();
drop function ops.make_claims(bigint);
drop function ops.delete_finished(text, timestamptz, integer);
drop function ops.drop_day(date, timestamptz, integer);
drop function ops.make_day(date);
drop function ops.claims_from(bigint);
drop function ops.uuid_at(timestamptz);
drop function ops.refuse(text);
drop table ops.queue_pause;
drop table ops.worker;
drop table ops.tally;
drop table ops.unique_key;
drop table ops.dead_letter;
drop table ops.outcome;
drop type ops.outcome_status;
drop table ops.lease;
drop table ops.claim;
drop function ops.new_claim_id();
drop sequence ops.claim_id;
drop table ops.scheduled;
drop table ops.ready;
drop sequence ops.ready_seq;
drop table ops.job;
drop table ops.lane;
