"""The owners of the data sets: their pages, their terms, and the files that they send."""

import dataclasses

from fer_data.checks import check_choice


@dataclasses.dataclass(frozen=True)
class Owners:
    """The source of a data set. The owners' page counts, where it differs from this.

    Attributes:
        title: The data set's own name.
        by: The people or institution that gives it out.
        page: Address of their page; empty where there is nobody to ask.
        how: The way to get it, in a line.
        terms: Their terms, in a line.
        holds: The files that the folder or archive must hold.
    """

    title: str
    by: str
    page: str
    how: str
    terms: str
    holds: str

    def to_text(self) -> str:
        """Return the owners in a few lines."""
        lines = [f"{self.title}: {self.by}"]
        for name in ("page", "how", "terms", "holds"):
            if getattr(self, name):
                lines.append(f"  {name}: {getattr(self, name)}")
        return "\n".join(lines)


_CASME = "Institute of Psychology, Chinese Academy of Sciences"
_AGREEMENT = "fill out the application form and upload the signed licence agreement"
_RESEARCH = "research, no passing on, aligned faces included"
_DRAWN = {
    "by": "nobody: the people are drawn",
    "page": "",
    "how": "nothing to ask: it is drawn when it is prepared",
    "terms": "none: the people do not exist",
    "holds": "",
}
OWNERS = {
    "fer2013": Owners(
        "FER2013",
        "Kaggle, Challenges in Representation Learning",
        "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-"
        "recognition-challenge/data",
        "log in at Kaggle and accept the competition's rules",
        "photos of people from the web, collected for research; those shown were not asked",
        "fer2013.csv, and for the votes fer2013new.csv of FER+ beside it; or train/CLASS, "
        "test/CLASS",
    ),
    "ferplus": Owners(
        "FER+",
        "Microsoft, as new labels for the pictures of FER2013",
        "https://github.com/microsoft/FERPlus",
        "the votes are on GitHub; the pictures are those of fer2013",
        "MIT for the votes; the pictures as in fer2013",
        "fer2013.csv and fer2013new.csv",
    ),
    "raf_db": Owners(
        "RAF-DB",
        "Shan Li and Weihong Deng, Beijing University of Posts and Telecommunications",
        "http://www.whdeng.cn/RAF/model1.html",
        "ask by e-mail, as the page says",
        "research, not commercial, no passing on",
        "EmoLabel/list_patition_label.txt and Image/aligned/; or DATASET/train/1/",
    ),
    "image_folder": Owners(
        "A folder of your own",
        "you",
        "",
        "",
        "the consent of those you photographed",
        "CLASS/*.jpg; or train/CLASS, validation/CLASS and test/CLASS",
    ),
    "casme2": Owners(
        "CASME II",
        _CASME,
        "http://casme.psych.ac.cn/casme/e2",
        _AGREEMENT,
        _RESEARCH,
        "CASME2-coding-*.xlsx and CASME2_RAW_selected/ (or Cropped/)",
    ),
    "cas_me2": Owners(
        "CAS(ME)^2",
        _CASME,
        "http://casme.psych.ac.cn/casme/e3",
        _AGREEMENT,
        _RESEARCH,
        "CAS(ME)^2code_final.xlsx and selectedpic/ (or rawpic/, cropped/)",
    ),
    "cas_me3": Owners(
        "CAS(ME)^3, part A",
        _CASME,
        "http://casme.psych.ac.cn/casme/e4",
        _AGREEMENT,
        _RESEARCH,
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx and spNO.*/",
    ),
    "samm_long_videos": Owners(
        "SAMM Long Videos",
        "Manchester Metropolitan University",
        "https://helward.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        "sign the release agreement",
        _RESEARCH,
        "SAMM_LongVideos_V*_Release.xlsx, SAMM_Micro_FACS_Codes_v2.xlsx and SAMM_longvideos/",
    ),
    "smic_hs": Owners(
        "SMIC, high speed",
        "University of Oulu",
        "https://www.oulu.fi/cmvs/node/41319",
        "sign the licence agreement",
        _RESEARCH,
        "HS/s*/micro/ (or SMIC_all_cropped/)",
    ),
    "synthetic_faces": Owners("Drawn faces", **_DRAWN),
    "synthetic_micro_expressions": Owners("Drawn micro-expressions", **_DRAWN),
}


def owners(name: str) -> Owners:
    """Return who gives a data set out.

    Args:
        name: A name of `fer_data.datasets.BUILDERS`.

    Raises:
        ValueError: If the name is unknown.

    Example:

    >>> owners("casme2").page
    'http://casme.psych.ac.cn/casme/e2'
    """
    check_choice("name", name, tuple(OWNERS))
    return OWNERS[name]
