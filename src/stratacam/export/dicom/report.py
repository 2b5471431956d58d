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

from stratacam.export.dicom.instances import MAKER, NO_UNIT, OWN, Made, long_string, series_description
from stratacam.export.dicom.source import Source
from stratacam.export.laid import LaidMap
from stratacam.export.placed import PlacedMap
from stratacam.export.words import CAUTION, coverage_of, networks_of, prediction_of, title_of

MR_OF_BRAIN = CodedConcept("816077007", "SCT", "Magnetic resonance imaging of brain")
PROBABILITY = CodedConcept("probability", OWN, "Probability given by the network, not calibrated")
PREDICTED = CodedConcept("predicted", OWN, "Predicted class")
VERDICT = CodedConcept("verdict", OWN, "Verdict on the map")
MAP = CodedConcept("cam", OWN, "Class activation map")
COVERAGE = CodedConcept("coverage", OWN, "Slices explained")
CAUTION_CODE = CodedConcept("caution", OWN, "Caution")
VERDICTS = {
    "meets every criterion": "meets",
    "not recommended": "not-recommended",
    "cannot say": "cannot-say",
    "not measured": "not-measured",
}


def structured_report(
    source: Source, placed: PlacedMap, laid: LaidMap, written: Dataset, made: Made
) -> ComprehensiveSR:
    """A report on one map: the prediction, the verdict on the map, and the caution.

    Args:
        source: the series.
        placed: the map.
        laid: over the slices of the source.
        written: the parametric map that it was written as.
        made: for UIDs, times and the number of the series.
    """
    first = placed.chosen
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
            name=MAKER, version=version(MAKER), parameters=[long_string(networks_of(first))]
        ),
        measurements=[
            Measurement(
                name=PROBABILITY,
                value=round(share, 4),
                unit=NO_UNIT,
                tracking_identifier=TrackingIdentifier(
                    uid=made.uid("probability", name), identifier=long_string(f"probability of {name}")
                ),
            )
            for name, share in first.maps.scan_probabilities.items()
        ],
        qualitative_evaluations=[
            QualitativeEvaluation(PREDICTED, _class_code(first.maps.classes, first.maps.predicted))
        ],
        source_images=images,
    )
    verdict = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=made.uid("verdict"), identifier=long_string(title_of(first))
        ),
        qualitative_evaluations=[QualitativeEvaluation(VERDICT, _verdict_code(first.trust.verdict))],
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(made)),
        procedure_reported=MR_OF_BRAIN,
        imaging_measurements=[prediction, verdict],
        title=codes.DCM.ImagingMeasurementReport,
    )
    content[0].ContentSequence.extend(_sentences(placed, coverage_of(laid), written))
    found = ComprehensiveSR(
        evidence=[*source.images, written],
        content=content,
        series_instance_uid=made.uid("series of report"),
        series_number=made.first_number + 2,
        sop_instance_uid=made.uid("report"),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
        series_description=series_description(placed, "report"),
    )
    found.SoftwareVersions, found.ManufacturerModelName = version(MAKER), MAKER
    made.finish(found)
    return found


def _sentences(placed: PlacedMap, coverage: str, written: Dataset) -> list[Dataset]:
    """What the report says in words, and the map that it names."""
    chosen = placed.chosen
    within = RelationshipTypeValues.CONTAINS
    return [
        TextContentItem(CAUTION_CODE, CAUTION, within),
        TextContentItem(PREDICTED, f"{prediction_of(chosen)}. {networks_of(chosen)}.", within),
        ImageContentItem(MAP, written.SOPClassUID, written.SOPInstanceUID, relationship_type=within),
        TextContentItem(VERDICT, f"{title_of(chosen)}. {chosen.trust.sentence}", within),
        *([TextContentItem(COVERAGE, coverage, within)] if coverage else ()),
    ]


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
    return CodedConcept(f"class-{classes.index(name) + 1}", OWN, long_string(name))


def _verdict_code(verdict: str) -> CodedConcept:
    return CodedConcept(VERDICTS.get(verdict, "other"), OWN, long_string(verdict))
