-- Specs are a little over the size from which Postgres compresses them, and pglz took a quarter of the time to store a trial.
--
-- Expand: what is stored stays as it is, and both are read alike. A Postgres that was built without lz4 goes on with pglz.

DO $$
BEGIN
    ALTER TABLE trial ALTER COLUMN spec SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
