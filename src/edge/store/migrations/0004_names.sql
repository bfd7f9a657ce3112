-- Names that practitioners use. Indexes follow their tables; those named after an old word are made again.
ALTER TABLE taxonomies RENAME TO clusterings;
DROP INDEX taxonomies_by_dataset;
CREATE INDEX clusterings_by_dataset ON clusterings (dataset, space, created_at);

ALTER TABLE assays RENAME TO decay_measurements;
ALTER TABLE decay_measurements RENAME COLUMN assay_id TO measurement_id;
DROP INDEX assays_by_dataset;
CREATE INDEX decay_measurements_by_dataset ON decay_measurements (dataset, measured_at);

ALTER TABLE spaces RENAME TO embedding_spaces;
ALTER TABLE traffic RENAME COLUMN inclusion TO sample_rate;
