"""What a model's card says of the pictures that the model was trained on."""

from stratacam.errors import InputError
from stratacam.networks import ModelCard
from stratacam.scans.pictures import Pictures, PictureSettings, cut_scan
from stratacam.scans.prepared import PreparedScan


def channels_of(card: ModelCard) -> str:
    """What the model's channels are; cards of earlier versions do not say, as there was one way."""
    return str(card.input.get("channels", "sequences"))


def trained_plane(card: ModelCard) -> str:
    """The plane of the slices that a model was trained on."""
    return str(card.input.get("normalisation", {}).get("plane", "axial"))


def delivered_sequences(card: ModelCard) -> tuple[str, ...]:
    """The sequences over whose scans as delivered maps can be laid: the T1w, which every scan has, and the model's."""
    return tuple(dict.fromkeys(("T1w", *card.input["sequences"])))


def explained_sequence(card: ModelCard, wanted: str | None = None) -> str:
    """The sequence whose pictures are shown: the one wanted, or FLAIR, or the first that the model sees."""
    sequences = tuple(card.input["sequences"])
    return wanted or ("FLAIR" if "FLAIR" in sequences else sequences[0])


def picture_settings(card: ModelCard) -> PictureSettings:
    """How the pictures that the model was trained on were cut."""
    trained = {key: card.input[key] for key in PictureSettings.model_fields if key in card.input}
    return PictureSettings(**{**trained, "sequences": tuple(card.input["sequences"])})


def trained_shape(card: ModelCard, scan: PreparedScan, settings: PictureSettings) -> tuple[int, int]:
    """Rows and columns that the model was trained on; more where this brain needs more."""
    rows, columns = card.input.get("shape", (settings.size, settings.size))
    if settings.crop_margin_mm is None:
        return rows, columns
    own_rows, own_columns = settings.shape_for([scan.brain_mm])
    return max(rows, own_rows), max(columns, own_columns)


def explained_pictures(
    card: ModelCard, scan: PreparedScan, *, every: int = 1, sequence: str | None = None
) -> Pictures:
    """Cut the pictures of a scan that are explained: one for each slice, also where each sequence is a picture.

    Args:
        card: of the model.
        scan: prepared with the model's sequences.
        every: take every n-th slice of the part that the network is for.
        sequence: the one whose pictures are taken, where each is a picture of its own; see `explained_sequence`.

    Raises:
        InputError: the scan does not suit the model, or a file of it is missing or damaged.
    """
    check_scan(card, scan)
    update: dict[str, object] = {"every": every}
    if channels_of(card) != "sequences":
        update["sequences"] = (explained_sequence(card, sequence),)
    settings = picture_settings(card).model_copy(update=update)
    return cut_scan(scan, settings, trained_shape(card, scan, settings))


def check_scan(card: ModelCard, scan: PreparedScan) -> None:
    """Check that a scan was prepared with the model's sequences, in slices of its plane.

    Raises:
        InputError: it was not.
    """
    absent = [sequence for sequence in card.input["sequences"] if sequence not in scan.sequences]
    if absent:
        raise InputError(
            f"{scan.name}: was prepared with {', '.join(scan.sequences)}, the model was trained on "
            f"{', '.join(card.input['sequences'])}; prepare the scan with {', '.join(absent)} too."
        )
    own_plane = scan.read_slices().plane
    if own_plane != (plane := trained_plane(card)):
        raise InputError(
            f"{scan.name}: was prepared in {own_plane} slices, the model was trained on {plane} ones; "
            f'prepare the scan with prepare.plane = "{plane}".'
        )
