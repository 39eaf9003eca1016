-- Metric values by the batch: a row for what one report says of one metric, instead of a row a value. A thousand values
-- then cost one index entry and one tuple, so that Postgres stores them as fast as it stores their bytes.
--
-- Expand: servers of before go on writing metric_point, and nothing of it is moved. Both are read, through metric_values.

CREATE TABLE metric_chunk (
    lease_id   uuid NOT NULL REFERENCES attempt (lease_id),
    metric     text NOT NULL,
    first_step bigint NOT NULL,
    last_step  bigint NOT NULL,
    lowest     double precision,
    highest    double precision,
    steps      bigint[] NOT NULL,
    epochs     double precision[] NOT NULL,
    values     double precision[] NOT NULL,
    PRIMARY KEY (lease_id, metric, last_step),
    CHECK (steps[1] = first_step AND steps[cardinality(steps)] = last_step
           AND cardinality(epochs) = cardinality(steps) AND cardinality(values) = cardinality(steps))
);
COMMENT ON TABLE metric_chunk IS 'Values over the run of one attempt, in the order of their steps; each step of a metric in one chunk only';
COMMENT ON COLUMN metric_chunk.lowest IS 'Of the finite values; null if there are none';

-- The default compression costs more than all else of an insert; LZ4 is as small and next to nothing. Where this Postgres was
-- built without it, chunks are stored as they are.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['steps', 'epochs', 'values'] LOOP
        BEGIN
            EXECUTE format('ALTER TABLE metric_chunk ALTER COLUMN %I SET COMPRESSION lz4', name);
        EXCEPTION WHEN OTHERS THEN
            EXECUTE format('ALTER TABLE metric_chunk ALTER COLUMN %I SET STORAGE EXTERNAL', name);
        END;
    END LOOP;
END
$$;

CREATE FUNCTION metric_values(of_lease uuid)
RETURNS TABLE (metric text, step bigint, epoch double precision, value double precision)
LANGUAGE sql STABLE AS $$
    SELECT p.metric, p.step, p.epoch, p.value FROM metric_point p WHERE p.lease_id = of_lease
    UNION ALL
    SELECT c.metric, v.step, v.epoch, v.value
    FROM metric_chunk c CROSS JOIN LATERAL unnest(c.steps, c.epochs, c.values) AS v (step, epoch, value)
    WHERE c.lease_id = of_lease
$$;
COMMENT ON FUNCTION metric_values IS 'What an attempt reported, wherever it is stored. A batch that was sent to two servers during an upgrade may be there twice';
