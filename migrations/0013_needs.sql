-- What a job needs of the machine that gets it.

ALTER TABLE trial ADD COLUMN needs jsonb;
COMMENT ON COLUMN trial.needs IS 'Of a trial by itself; the trials of a sweep have their sweep''s';

ALTER TABLE sweep ADD COLUMN needs jsonb;

ALTER TABLE trial_queue ADD COLUMN needs jsonb;
COMMENT ON COLUMN trial_queue.needs IS 'Kind of device, memory, labels; null where any machine will do';
