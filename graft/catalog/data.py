"""The rows: where they are, how they are divided, what is checked."""

from pydantic import Field, field_validator

from graft.catalog.section import Section, given_path


class Checks(Section):
    """Thresholds of the data checks."""

    max_duplicate_share: float = Field(0.1, ge=0, le=1)
    """Warning above this share of rows that occur more than once within a split."""
    max_leaked_share: float = Field(0.0, ge=0, le=1)
    """Error above this share of test rows that also occur in the training split."""
    max_contaminated_share: float = Field(0.0, ge=0, le=1)
    """Error above this share of target test rows that occur in the source's training data."""
    max_near_duplicate_share: float = Field(0.2, ge=0, le=1)
    """Warning above this share of images whose perceptual hash equals another image's."""
    max_alike_share: float = Field(0.01, ge=0, le=1)
    """Warning above this share of test texts that equal a training text but for case, spaces and punctuation."""
    max_conflict_share: float = Field(0.01, ge=0, le=1)
    """Warning above this share of rows whose identical input carries another label elsewhere."""
    max_imbalance: float = Field(10.0, ge=1)
    """Warning when the largest training class has more than this many times the rows of the smallest."""
    min_image_side: int = Field(8, ge=1)
    """Warning for images whose shorter side has fewer pixels."""
    max_image_side: int = Field(8192, ge=1)
    """Warning for images whose longer side has more pixels."""
    max_void_share: float = Field(0.5, ge=0, le=1)
    """Warning for masks with more than this share of pixels that nobody labelled."""
    min_box_side: float = Field(2.0, ge=0)
    """Warning for images with a box of which a side has fewer pixels."""
    min_characters: int = Field(1, ge=0)
    """Error for texts with fewer characters (after stripping white space)."""
    max_characters: int = Field(100_000, ge=1)
    """Warning for texts with more characters."""
    max_unknown_share: float = Field(0.1, ge=0, le=1)
    """Warning above this share of unknown tokens."""
    min_clip_seconds: float = Field(0.05, ge=0)
    """Warning for clips that are shorter."""
    max_clip_seconds: float = Field(30.0, gt=0)
    """Warning for clips that are longer."""
    min_sampling_rate: int = Field(8000, ge=1)
    """Warning for clips with fewer samples a second."""
    max_pace: float = Field(30.0, gt=0)
    """Warning for transcripts of more characters for each second of their clip: the clip may be cut, or another one."""
    max_clipped_share: float = Field(0.01, ge=0, le=1)
    """Warning for clips with more than this share of their samples at full scale."""
    min_decibels: float = Field(-60.0, le=0)
    """Warning for clips with a lower level (root mean square, in dB of full scale): silence."""


class Data(Section):
    """What the rows are and how they are divided."""

    path: str
    """A folder or file: parquet, CSV, JSON, plain text, folders of images, audio, masks, a saved `datasets` folder."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, as `image: scan`, where type and name do not tell."""
    group: str | None = None
    """Column whose values must not be on both sides of a split (patient, author, module)."""
    labels_per_class: int | None = Field(None, ge=1)
    """Labelled rows per class that the study may use; none means all training rows."""
    labels: int | None = Field(None, ge=2)
    """Labelled rows that the study may use, where the problem has no classes; none means all training rows."""
    test_share: float = Field(0.2, gt=0, lt=1)
    """About the share of rows for test, where the data has no test split of its own."""
    validation_share: float = Field(0.1, gt=0, lt=1)
    """Share of training rows for validation, where one is needed and the data has none."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the splits that Graft makes."""
    checks: Checks = Checks()
    """Thresholds of the data checks."""

    _path = field_validator("path")(given_path)

    @field_validator("columns")
    @classmethod
    def _no_column_is_two(cls, columns: dict[str, str]) -> dict[str, str]:
        stored = list(columns.values())
        if twice := sorted({name for name in stored if stored.count(name) > 1}):
            raise ValueError(f"a column is one thing; named twice: {', '.join(twice)}")
        return columns


class Shift(Section):
    """Another labelled dataset with the target's labels, from elsewhere: measured, never trained on."""

    path: str
    """A folder or file, as for `data`; its test split where it has one, else all its rows."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column is which, where type and name do not tell."""
    digest: str | None = None
    """sha256 of its files: a changed file at the same path is then noticed, by DVC too."""

    _path = field_validator("path")(given_path)
