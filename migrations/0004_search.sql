-- Sweeps whose configurations depend on results.

ALTER TABLE sweep
    ADD COLUMN searching boolean NOT NULL DEFAULT false,
    ADD COLUMN n_planned integer,
    ADD COLUMN search_note text;
CREATE INDEX sweep_searching_idx ON sweep (id) WHERE searching;
COMMENT ON COLUMN sweep.searching IS 'Its sampler will propose more';
COMMENT ON COLUMN sweep.n_planned IS 'Trials it will have in all; null where that was known at submission';
COMMENT ON COLUMN sweep.search_note IS 'Why the search ended before its budget, if it did';

CREATE TABLE proposal (
    sweep_id   uuid NOT NULL REFERENCES sweep (id),
    number     integer NOT NULL CHECK (number >= 0),
    overlay    jsonb NOT NULL,
    seen       bytea NOT NULL,
    error      text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sweep_id, number)
);
COMMENT ON TABLE proposal IS 'What the sampler of a sweep proposed';
COMMENT ON COLUMN proposal.seen IS 'How the earlier proposals stood when it was made, one byte each: pending, scored or failed. Asked again with that, the sampler proposes the same';
COMMENT ON COLUMN proposal.error IS 'Why it cannot be trained: the sampler takes it for a bad one';

ALTER TABLE trial ADD COLUMN proposal integer;
CREATE INDEX trial_proposal_idx ON trial (sweep_id, proposal) WHERE proposal IS NOT NULL;
COMMENT ON COLUMN trial.proposal IS 'Number of the proposal it came from';
