-- Two copies of one claim, on two replicas, must not both be answered: the second finds its first place taken. Before, each
-- claim locked its worker's row for that.
--
-- Expand: servers of before leave the place null, and nulls are distinct. They look attempts up by the new index as by the old.

ALTER TABLE attempt ADD COLUMN claim_place integer;
CREATE UNIQUE INDEX attempt_claim_place_idx ON attempt (worker_id, claim_request, claim_place);
DROP INDEX attempt_claim_idx;
COMMENT ON COLUMN attempt.claim_place IS 'Number of the lease among those that its claim got, from 0; null before version 15 of the schema';
