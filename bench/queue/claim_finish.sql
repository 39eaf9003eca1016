-- What Postgres itself can do: take a job off the line, and record its end, in two transactions.
WITH picked AS MATERIALIZED (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE job SET state = 1, claimed_at = now() FROM picked WHERE job.id = picked.id RETURNING job.id \gset
UPDATE job SET state = 2, finished_at = now(), value = 0.5 WHERE id = :id;
