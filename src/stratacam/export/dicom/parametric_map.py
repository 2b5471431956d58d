"""The raw map of a layer as a DICOM parametric map: signed floating-point values with their unit, frame by frame."""

import numpy as np
from highdicom import VOILUTTransformation
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
from stratacam.export.dicom.source import Source
from stratacam.export.laid import LaidMap
from stratacam.export.placed import PlacedMap
from stratacam.export.words import title_of, unit_of

WINDOW = "whole range about 0"


def parametric_map(source: Source, placed: PlacedMap, laid: LaidMap, made: Made) -> ParametricMap:
    """One frame for each slice of the source, at its place; names the image of each.

    Args:
        source: the series.
        placed: the map.
        laid: over the slices of the source.
        made: for UIDs, times and the number of the series.
    """
    unit = unit_of(placed.chosen)
    largest = float(np.abs(laid.raw).max()) or 1.0
    values = RealWorldValueMapping(
        lut_label="raw",
        lut_explanation=long_string(f"signed class activation, {unit}"),
        unit=unit_code(unit),
        value_range=(-largest, largest),
        quantity_definition=QUANTITY,
    )
    found = ParametricMap(
        source_images=source.images,
        pixel_array=laid.raw[list(source.frames)],
        series_instance_uid=made.uid("series of map"),
        series_number=made.first_number,
        sop_instance_uid=made.uid("map"),
        instance_number=1,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[values],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=0.0, window_width=2 * largest, window_explanation=WINDOW)
        ],
        content_label="CAM",
        content_description=long_string(f"RESEARCH ONLY: {title_of(placed.chosen)}"),
        series_description=series_description(placed, "map"),
        **equipment(),
    )
    for one in (*found.DimensionOrganizationSequence, *found.DimensionIndexSequence):
        one.DimensionOrganizationUID = made.uid("dimensions")
    found.BodyPartExamined = BODY_PART
    made.finish(found)
    return found
