-- Loses: the log of deployments

drop function ops.record_deployment(jsonb);
drop table ops.deployments;
