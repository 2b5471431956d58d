"""Prediction, verdict and caution as a DICOM structured report: a measurement report (TID 1500)."""

from collections.abc import Sequence
from importlib.metadata import version

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from stratacam.export.dicom.instances import LONG_STRING, MAKER, NO_UNIT, OWN, Made
from stratacam.export.dicom.source import Source
from stratacam.export.placed import PlacedMap
from stratacam.export.words import CAUTION, networks_of, prediction_of, title_of

MR_OF_BRAIN = CodedConcept("816077007", "SCT", "Magnetic resonance imaging of brain")
PROBABILITY = CodedConcept("probability", OWN, "Probability given by the network, not calibrated")
PREDICTED = CodedConcept("predicted", OWN, "Predicted class")
VERDICT = CodedConcept("verdict", OWN, "Verdict on the map")
MAP = CodedConcept("cam", OWN, "Class activation map")
CAUTION_CODE = CodedConcept("caution", OWN, "Caution")
VERDICTS = {
    "meets every criterion": "meets",
    "not recommended": "not-recommended",
    "cannot say": "cannot-say",
    "not measured": "not-measured",
}


def structured_report(
    source: Source, maps: Sequence[tuple[PlacedMap, Dataset]], made: Made, *, series_number: int
) -> ComprehensiveSR:
    """A report on one scan: the prediction, each map with its verdict, and the caution, first and last.

    Args:
        source: the series.
        maps: each map, and the parametric map that it was written as; of one method and the same networks.
        made: for UIDs and times.
        series_number: of the new series.
    """
    first = maps[0][0].chosen
    images = [
        SourceImageForMeasurementGroup(
            source.series.header["SOPClassUID"], image.uid, [image.frame] if image.frame else None
        )
        for image in source.series.images
    ]
    prediction = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=made.uid("prediction"), identifier="prediction of the scan"
        ),
        algorithm_id=AlgorithmIdentification(
            name=MAKER, version=version(MAKER), parameters=[networks_of(first)[:LONG_STRING]]
        ),
        measurements=[
            Measurement(
                name=PROBABILITY,
                value=round(share, 4),
                unit=NO_UNIT,
                tracking_identifier=TrackingIdentifier(
                    uid=made.uid("probability", name), identifier=f"probability of {name}"[:LONG_STRING]
                ),
            )
            for name, share in first.maps.scan_probabilities.items()
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(PREDICTED, _class_code(first.maps.classes, first.maps.predicted))
        ],
        source_images=images,
    )
    verdicts = [
        MeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uid=made.uid("verdict", placed.stem), identifier=title_of(placed.chosen)[:LONG_STRING]
            ),
            qualitative_evaluations=[
                QualitativeEvaluation(VERDICT, _verdict_code(placed.chosen.trust.verdict))
            ],
        )
        for placed, _ in maps
    ]
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(made)),
        procedure_reported=MR_OF_BRAIN,
        imaging_measurements=[prediction, *verdicts],
        title=codes.DCM.ImagingMeasurementReport,
    )
    content[0].ContentSequence.extend(_sentences(maps))
    found = ComprehensiveSR(
        evidence=[*source.images, *(written for _, written in maps)],
        content=content,
        series_instance_uid=made.uid("series of report"),
        series_number=series_number,
        sop_instance_uid=made.uid("report"),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
        series_description=f"RESEARCH ONLY report: {first.maps.method}"[:LONG_STRING],
    )
    found.SoftwareVersions, found.ManufacturerModelName = version(MAKER), MAKER
    made.finish(found)
    return found


def _sentences(maps: Sequence[tuple[PlacedMap, Dataset]]) -> list[Dataset]:
    """What the report says in words, and the maps that it names."""
    first = maps[0][0].chosen
    within = RelationshipTypeValues.CONTAINS
    items: list[Dataset] = [
        TextContentItem(CAUTION_CODE, CAUTION, within),
        TextContentItem(PREDICTED, f"{prediction_of(first)}. {networks_of(first)}.", within),
    ]
    for placed, written in maps:
        items += [
            ImageContentItem(MAP, written.SOPClassUID, written.SOPInstanceUID, relationship_type=within),
            TextContentItem(VERDICT, f"{title_of(placed.chosen)}. {placed.chosen.trust.sentence}", within),
        ]
    return items


def _observer(made: Made) -> ObserverContext:
    """The program, as a device."""
    attributes = DeviceObserverIdentifyingAttributes(
        uid=made.uid("device"),
        name=MAKER,
        manufacturer_name=MAKER,
        model_name=MAKER,
        serial_number=version(MAKER),
    )
    return ObserverContext(codes.DCM.Device, attributes)


def _class_code(classes: Sequence[str], name: str) -> CodedConcept:
    return CodedConcept(f"class-{classes.index(name) + 1}", OWN, name[:LONG_STRING])


def _verdict_code(verdict: str) -> CodedConcept:
    return CodedConcept(VERDICTS.get(verdict, "other"), OWN, verdict[:LONG_STRING])
