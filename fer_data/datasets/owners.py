"""The owners of the data sets: their pages, their terms, and the files that they send."""

import dataclasses

from fer_data import label_maps
from fer_data.checks import check_choice


@dataclasses.dataclass(frozen=True)
class Owners:
    """The source of a data set. If the owners' page differs from this, the page counts.

    Attributes:
        title: The data set's own name.
        by: The people or institution that gives it out.
        page: Address of their page; empty where there is nobody to ask.
        how: The way to get it, in a line.
        terms: Their terms, in a line.
        holds: The files that the folder or archive must hold.
        left_out: Classes of the owners that are none of `EMOTIONS`, whose pictures are left out.
    """

    title: str
    by: str
    page: str
    how: str
    terms: str
    holds: str
    left_out: str = ""

    def to_text(self) -> str:
        """Return the owners in a few lines."""
        lines = [f"{self.title}: {self.by}"]
        for name in ("page", "how", "terms", "holds", "left_out"):
            if getattr(self, name):
                lines.append(f"  {name.replace('_', ' ')}: {getattr(self, name)}")
        return "\n".join(lines)


_CASME = "Institute of Psychology, Chinese Academy of Sciences"
_AGREEMENT = "fill out the application form and upload the signed licence agreement"
_RESEARCH = "research, no passing on, aligned faces included"


def _left_out(dataset: str) -> str:
    return ", ".join(label_maps.unmapped(dataset))


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
    "affectnet": Owners(
        "AffectNet, annotated by hand",
        "Mohammad Mahoor, University of Denver",
        "http://mohammadmahoor.com/pages/databases/affectnet/",
        "a head of a laboratory or a professor signs the licence agreement",
        "research, no passing on; photos of people from the web, who were not asked",
        "training.csv, validation.csv and Manually_Annotated_Images/; or train_set/ and val_set/",
        _left_out("affectnet"),
    ),
    "ck_plus": Owners(
        "CK+, extended Cohn-Kanade",
        "Jeffrey Cohn, University of Pittsburgh",
        "http://www.jeffcohn.net/Resources/",
        "sign the user agreement",
        "research, not commercial, no passing on",
        "cohn-kanade-images/S005/001/*.png and Emotion/S005/001/*_emotion.txt",
        _left_out("ck_plus"),
    ),
    "jaffe": Owners(
        "JAFFE",
        "Michael Lyons, Miyuki Kamachi and Jiro Gyoba",
        "https://zenodo.org/record/3451524",
        "ask on that page, as it says",
        "research, not commercial, no passing on",
        "KA.AN1.39.tiff and so on, in one folder",
    ),
    "kdef": Owners(
        "KDEF, Karolinska Directed Emotional Faces",
        "Karolinska Institutet, Section of Psychology",
        "https://www.kdef.se",
        "as that page says",
        "research, not commercial",
        "KDEF/AF01/AF01ANS.JPG and so on",
    ),
    "expw": Owners(
        "ExpW, Expression in the Wild",
        "Multimedia Laboratory, Chinese University of Hong Kong",
        "http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html",
        "as that page says",
        "research; photos of people from the web, who were not asked",
        "label/label.lst and image/, with its parts unpacked",
    ),
    "sfew": Owners(
        "SFEW 2.0, Static Facial Expressions in the Wild",
        "Abhinav Dhall and others, Australian National University",
        "https://cs.anu.edu.au/few/",
        "sign the licence agreement",
        "research, no passing on; stills of films",
        "Train_Aligned_Faces/Angry/ and Val_Aligned_Faces/Angry/; or Train/Angry/ and Val/Angry/",
    ),
    "caer_s": Owners(
        "CAER-S",
        "Yonsei University and others",
        "https://caer-dataset.github.io",
        "as that page says",
        "research, not commercial; stills of television shows",
        "train/Anger/*.png and test/Anger/*.png",
    ),
    "ravdess": Owners(
        "RAVDESS",
        "Steven Livingstone and Frank Russo, Ryerson University",
        "https://zenodo.org/record/1188976",
        "on that page, without asking",
        "CC BY-NC-SA 4.0: not commercial, share alike",
        "Actor_12/01-01-06-01-02-01-12.mp4 and so on, unpacked into one folder",
        _left_out("ravdess"),
    ),
    "crema_d": Owners(
        "CREMA-D",
        "David Cooper and others",
        "https://github.com/CheyneyComputerScience/CREMA-D",
        "by Git with its extension LFS; its owners ask you to fill out a form",
        "Open Database License",
        "VideoFlash/1001_DFA_ANG_XX.flv, VideoDemographics.csv and "
        "processedResults/tabulatedVotes.csv",
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
