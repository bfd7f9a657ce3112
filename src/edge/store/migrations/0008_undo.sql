-- What it takes to undo a decision: the steps that belong to it, and what was there before.
ALTER TABLE queue_steps ADD COLUMN decision INTEGER;       -- null: a measurement, an undone decision's reversal, or older than this column
ALTER TABLE queue_steps ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue_steps ADD COLUMN snoozed_before TEXT;    -- when the flag would have returned, if it was snoozed
ALTER TABLE queue_steps ADD COLUMN row_before TEXT;        -- the example's row in the golden set's file
ALTER TABLE queue_steps ADD COLUMN row_after TEXT;
CREATE INDEX queue_steps_by_decision ON queue_steps (decision) WHERE decision IS NOT NULL;
