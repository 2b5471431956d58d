"""Words and tags of a contrast agent, and of images that are no plain scan of the head."""

import pytest

from stratacam.scans.signs import AGENT, DIR, KEYWORDS, find_signs

EMPTY = dict.fromkeys(KEYWORDS, "")
MAGNITUDE = ("ORIGINAL", "PRIMARY", "M")

PLAIN = """
t1_mprage_sag_p2_iso; t1_mpr_ns_sag_p2_iso_1mm; sT1W_3D_TFE; T1W_3D_TFE_SENSE; WIP T1W_3D_TFE_32ch; Sag FSPGR BRAVO;
SAG 3D T1 MP-RAGE; ADNI3 Accelerated MPRAGE; IR-FSPGR; t1_space_sag; t1_vibe_sag; t1_fl2d_tra; t1_tse_cor; t1_se_tra;
SAG T1 FLAIR; T1 TIRM; Ax T2 FSE; T2 FRFSE; Ax T2 PROPELLER; t2_blade; T2W_TSE; T2W_MV; t2_spc_ns_sag_p2_iso;
Sag CUBE T2; 3D T2 VISTA; BrainVIEW_FLAIR; t2_tirm_tra_dark-fluid; FLAIR_longTR; 3D_Brain_VIEW_FLAIR_SHC; t2_flair_fs;
FLAIR SPAIR; Ax T2 FLAIR FatSat; pd+t2_tse_tra; Kopf^t1; T1 FFE; t1_vibe_dixon_tra_in; t1_vibe_dixon_W;
t1_mprage_sag_postop; T1 post-op; MPRAGE [ND]; MPRAGE DIS2D; MEMPRAGE RMS; AX T2 TSE in phase; cerveau T1; T1 COR;
t1_mprage_sub-01; anat-T1w; t2_haste; sub-01 T1w
"""
WITHOUT_AGENT = """
MPRAGE_no_contrast; T1 W/O; T1 w/o contrast; T1 WO CONTRAST; AX T1 PRE; T1 pre contrast; T1 precontrast; T1 pre-Gd;
T1 PRE GAD; T1 nativ; T1 ohne KM; T1 vor KM; T1 sans gado; T1 sans injection; T1 senza mdc; T1 sin contraste;
AX T1 -C; T1-C; T1 without Gd; unenhanced T1; T1 noncontrast; T1 non-contrast; T1 pre-contrast agent
"""
WITH_AGENT = """
t1_mprage_sag_post_GD; T1W_3D_TFE+C; AX T1 +C; T1 + C; T1 KM; T1wGd; T1GD; t1wgd; postKM; T1post; C+; T1 C+; T1+Gd;
mprage_nach_KM; CE-T1; T1 CE; t1_c; T1C; T1c+; T1 s/p gad; T1 apres gado; POST CONTRAST; T1 Gadavist; T1 Dotarem;
T1 w/ contrast; pre and post contrast; T1 W/WO CONTRAST; T1 with and without contrast; mpragegd; mprage post;
AX T1 POST-GAD; T1 mit Kontrastmittel; T1 con contraste; T1 con mdc; T1 avec injection; T1ce; T1-Gd; T1_GdDTPA;
T1 enhanced; T1 delayed; POST T1; T1 post op +c; T1_POST_INJ; FLAIR post; FLAIR +C; gd flair; T1GdFS; T1+KM
"""
OTHERS = {
    "localiser": "AAHead_Scout_64ch; localizer; 3-plane loc; Survey_SHC; SmartBrain; ASSET calibration; Coil Survey",
    "susceptibility or field map": "SWI_Images; SWIp; 3D SWAN; Ax T2* GRE; T2_star; t2_fl2d_tra_hemo; AX T2 GRE; "
    "medic; gre_field_mapping; FieldMap; field map; B0map; B1_map; QSM_GRE_3D; R2*",
    "angiography": "TOF_3D_multi-slab; 3D TOF MRA; 3DTOF; MRV; tof_fl3d_tra; PCA 3D; phase contrast venogram",
    DIR: "t2_spc_dir_sag; 3D DIR; VISTA_DIR; Double Inversion Recovery",
    "phase-sensitive inversion": "PSIR; psir_mag; FGATIR; WMn MPRAGE",
    "complex part": "T1 PSIR real; phase; GRE Pha; t1_mprage_imag",
    "MP2RAGE": "mp2rage_INV1; t1_mp2rage_sag_p3_iso_UNI-DEN; INV2; UNI_Images",
    "computed": "SyMRI T1; MAGiC T2 FLAIR; Synthetic T1; syT2 FLAIR; T1 map; T1map; SyntheticMR",
    "magnetisation transfer": "T1 MTC; gre_MT_on; MT_off; Magnetization Transfer",
    "diffusion, perfusion or function": "dwi b0; ep2d_diff_b1000; ADC; pCASL; 3D ASL; CBF; DCE; T1 DYN; perfusion; "
    "rsfMRI bold",
    "fat image": "t1_vibe_dixon_opp; t1_vibe_dixon_tra_F; T1 FAT",
    "other part of the body": "t2_tse_sag_HWS; C-spine; T2 C SPINE; cspine; Sag T2 cervical; NECK; T1 orbits; "
    "Pituitary; IAC",
    "projection": "MIP; minIP; SWI mIP",
    "subtraction": "t1_mprage_SUB; T1 subtraction",
}


def names(text):
    return [name.strip() for name in text.split(";")]


def shown(description="", image_type=MAGNITUDE, **header):
    return find_signs(EMPTY | {"SeriesDescription": description, **header}, image_type, None)


@pytest.mark.parametrize("description", names(PLAIN) + names(WITHOUT_AGENT))
def test_names_of_plain_scans_show_no_sign(description):
    assert shown(description) == {}


@pytest.mark.parametrize("description", names(WITH_AGENT))
def test_words_for_a_contrast_agent(description):
    assert AGENT in shown(description)


@pytest.mark.parametrize(
    ("sign", "description"), [(sign, name) for sign, text in OTHERS.items() for name in names(text)]
)
def test_words_for_other_kinds_of_images(sign, description):
    assert sign in shown(description)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ContrastBolusAgent", "Gadovist"),
        ("ContrastBolusAgentSequence", "given"),
        ("ContrastBolusVolume", "7.5"),
        ("ContrastBolusRoute", "IV"),
        ("ContrastBolusTotalDose", "10"),
        ("ContrastBolusStartTime", "101112"),
        ("ContrastBolusIngredient", "GADOLINIUM"),
        ("ContrastBolusAgentAdministered", "YES"),
    ],
)
def test_any_tag_of_a_contrast_agent_is_a_sign(keyword, value):
    assert shown("t1_mprage", **{keyword: value}) == {AGENT: keyword}


@pytest.mark.parametrize(
    "value", ["", "0", "0.0", "None", "NO", "none given", "No contrast", "ohne KM", "N/A", "-"]
)
def test_tags_that_say_none_are_no_sign(value):
    assert shown("t1_mprage", ContrastBolusAgent=value, ContrastBolusVolume=value) == {}


def test_frames_before_the_agent_of_an_enhanced_file_are_no_sign():
    header = {"ContrastBolusAgentSequence": "Gadobutrol", "ContrastBolusAgentAdministered": "NO"}
    assert shown("t1", **header) == {}


def test_the_protocol_counts_but_not_that_of_ge_which_names_the_examination():
    assert shown("t1", ProtocolName="t1_mprage_KM") == {AGENT: "ProtocolName"}
    assert shown("t1", ProtocolName="BRAIN W CONTRAST", Manufacturer="GE MEDICAL SYSTEMS") == {}


@pytest.mark.parametrize(
    ("image_type", "sign"),
    [
        (("ORIGINAL", "PRIMARY", "R_IR", "R", "IR"), "complex part"),
        (("ORIGINAL", "PRIMARY", "M", "IMAGINARY"), "complex part"),
        (("DERIVED", "PRIMARY", "M", "ND", "SUB"), "subtraction"),
        (("DERIVED", "PRIMARY", "M", "UNI"), "MP2RAGE"),
        (("DERIVED", "PRIMARY", "DIFFUSION", "ADC"), "diffusion, perfusion or function"),
        (("DERIVED", "PRIMARY", "M", "SWI"), "susceptibility or field map"),
        (("DERIVED", "PRIMARY", "DIXON", "FAT"), "fat image"),
        (("DERIVED", "SECONDARY", "MPR"), "secondary"),
    ],
)
def test_image_types(image_type, sign):
    assert shown("t1", image_type) == {sign: "ImageType"}


@pytest.mark.parametrize(
    ("part", "sign"), [("CSPINE", True), ("NECK", True), ("HEAD", False), ("BRAIN", False)]
)
def test_the_part_of_the_body(part, sign):
    assert bool(shown("t2_tse_sag", BodyPartExamined=part)) == sign


@pytest.mark.parametrize(
    ("repetition", "inversion", "nulls"),
    [  # of protocols in use; double inversion waits longer after the first
        (9000, 2500, True),
        (11000, 2800, True),
        (5000, 1800, True),
        (4800, 1650, True),
        (8002, 2000, True),
        (5000, 1500, True),
        (7500, 3000, False),
        (5500, 2550, False),
        (10000, 3650, False),
    ],
)
def test_the_inversion_of_a_flair_nulls_water(repetition, inversion, nulls):
    header = EMPTY | {"RepetitionTime": str(repetition), "InversionTime": str(inversion)}
    assert (DIR not in find_signs(header, MAGNITUDE, "FLAIR")) == nulls
    assert DIR not in find_signs(header, MAGNITUDE, "T1w")
