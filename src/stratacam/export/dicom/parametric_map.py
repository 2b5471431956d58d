"""The raw map of a layer as a DICOM parametric map: signed floating-point values with their unit, frame by frame."""

import numpy as np
from highdicom import PlanePositionSequence, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping

from stratacam.export.dicom.instances import (
    BODY_PART,
    QUANTITY,
    Made,
    equipment,
    long_string,
    series_description,
    unit_code,
)
from stratacam.export.dicom.source import Source, decimals
from stratacam.export.laid import LaidMap
from stratacam.export.placed import PlacedMap
from stratacam.export.words import coverage_of, unit_of

WINDOW = "whole range about 0"
NOT_EXPLAINED = "NaN: not explained."


def parametric_map(source: Source, placed: PlacedMap, laid: LaidMap, made: Made) -> ParametricMap:
    """One frame for each slice of the source that an explained slice passes through; names the image of each.

    A value is that of the map at the centre of the pixel, or NaN where nothing was explained.

    Args:
        source: the series.
        placed: the map.
        laid: over the slices of the source.
        made: for UIDs, times and the number of the series.
    """
    unit = unit_of(placed.chosen)
    shown = list(laid.shown)
    pixels = np.where(laid.explained[shown], laid.raw[shown], np.float32(np.nan))
    largest = float(np.nanmax(np.abs(pixels))) or 1.0
    values = RealWorldValueMapping(
        lut_label="raw",
        lut_explanation=long_string(f"signed class activation, {unit}"),
        unit=unit_code(unit),
        value_range=(-largest, largest),
        quantity_definition=QUANTITY,
    )
    found = ParametricMap(
        source_images=source.images,
        pixel_array=pixels,
        plane_positions=[
            PlanePositionSequence("PATIENT", source.series.images[index].position) for index in shown
        ],
        series_instance_uid=made.uid("series of map"),
        series_number=made.first_number,
        sop_instance_uid=made.uid("map"),
        instance_number=1,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[values],
        voi_lut_transformations=[
            VOILUTTransformation(
                window_center=0.0,
                window_width=2 * largest,
                window_explanation=WINDOW,
                voi_lut_function="LINEAR_EXACT",  # LINEAR has no width below 1
            )
        ],
        content_label="CAM",
        content_description=series_description(placed, "map"),
        series_description=series_description(placed, "map"),
        **equipment(),
    )
    _describe_frames(found, " ".join(filter(None, [NOT_EXPLAINED, coverage_of(laid)])))
    for one in (*found.DimensionOrganizationSequence, *found.DimensionIndexSequence):
        one.DimensionOrganizationUID = made.uid("dimensions")
    found.BodyPartExamined = BODY_PART
    made.finish(found)
    return found


def _describe_frames(found: ParametricMap, comment: str) -> None:
    """Say what is not a value, in every frame what was explained, and how far apart the frames lie if evenly."""
    found.FloatPixelPaddingValue = found.FloatPixelPaddingRangeLimit = np.nan
    frames = found.PerFrameFunctionalGroupsSequence
    for frame in frames:
        frame.FrameContentSequence[0].FrameComments = comment
    measures = found.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    del measures.SpacingBetweenSlices  # of the source
    if "DimensionOrganizationType" in found:  # evenly, as `highdicom` finds
        first, second = (
            np.array(frame.PlanePositionSequence[0].ImagePositionPatient) for frame in frames[:2]
        )
        (measures.SpacingBetweenSlices,) = decimals([float(np.linalg.norm(second - first))])
