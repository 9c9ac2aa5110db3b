"""Photographs as backgrounds of digits: which files of which packages, their checksums, authors and licences.

Chosen by eye among the packages' pictures: photographs, and no drawings; none that is one flat grey throughout. Split
into training and test here, so that each part holds landscapes, plants, objects and animals, and so that whatever is
made of a test photograph may be passed on: those are under CC0, CC BY or CC BY-SA.
"""

from dataclasses import dataclass

LICENCES = "LICENCES.md"
TEXTS = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "GPL-2+": "https://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
    "LGPL-3": "https://www.gnu.org/licenses/lgpl-3.0.html",
}


@dataclass(frozen=True)
class Package:
    """One package: its client, what the client is asked for, the folder of the photographs in it, where it is from."""

    client: str
    request: str
    folder: str
    origin: str


@dataclass(frozen=True)
class Photograph:
    """One photograph: its path in the package's folder, the SHA-256 of its bytes, who made it, how it is licensed."""

    path: str
    sha256: str
    part: str
    author: str
    licence: str
    name: str = ""

    @property
    def file(self) -> str:
        """Its path below the folder of photographs."""
        return f"{self.part}/{self.name or self.path}"


LOMIRI = Package(
    "apt-get", "lomiri-wallpapers-16.04", "usr/share/backgrounds", "Debian package lomiri-wallpapers-16.04"
)
MATE = Package("apt-get", "mate-backgrounds", "usr/share/backgrounds/mate/nature", "Debian package mate-backgrounds")
PLASMA = Package(
    "apt-get", "plasma-workspace-wallpapers", "usr/share/wallpapers", "Debian package plasma-workspace-wallpapers"
)
SCIKIT_IMAGE = Package("pip", "scikit-image==0.26.0", "skimage/data", "PyPI package scikit-image 0.26.0")
SCIKIT_LEARN = Package("pip", "scikit-learn==1.9.1", "sklearn/datasets/images", "PyPI package scikit-learn 1.9.1")

# Debian's copyright file says GPL-2+, each wallpaper's own metadata LGPL-3.
PLASMA_LICENCE = "GPL-2+ (the package) or LGPL-3 (the file's metadata)"


def _plasma(name: str, sha256: str, author: str) -> Photograph:
    path = f"{name}/contents/images/2560x1600.jpg"
    return Photograph(path, sha256, "train", author, PLASMA_LICENCE, f"{name}.jpg")


def _mate(path: str, sha256: str, author: str) -> Photograph:
    return Photograph(path, sha256, "train", author, "GPL-2+")


PHOTOGRAPHS: dict[Package, tuple[Photograph, ...]] = {
    LOMIRI: (
        Photograph(
            "Bridge_by_Sander_Klootwijk.jpg",
            "bd86b081f9975e2b83527f71e49b9271a8ab40885428395969d9f7d834d7f050",
            "train",
            "Sander Klootwijk",
            "CC BY-SA 4.0",
        ),
        Photograph(
            "Dragonfly_by_Bolly.jpg",
            "af5af17841009732def24b09bb1e669a1b09d2b4bdeee7812c371101c30d2bb3",
            "test",
            "Bolly",
            "CC BY-SA 4.0",
        ),
        Photograph(
            "Picture_0B_by_freespace.jpg",
            "c8c0ab18e48d9e0419fe42881112137f3afafc27dfddc29ec3a6d54c56d225ad",
            "test",
            'Trevor "Freespace"',
            "CC BY 4.0",
        ),
        Photograph(
            "Picture_1A_by_freespace.jpg",
            "89e86af38d04daaef975665dc2127e9fa76f0fd68f4eea105a2d0ae3390b010b",
            "train",
            'Trevor "Freespace"',
            "CC BY 4.0",
        ),
        Photograph(
            "Wine_by_Jakkub_Mede.jpg",
            "d2e96e6d4da40dd804b3d0ce295e94de04a2d7d9b6785d42cd9d92ba58bced74",
            "train",
            "Jakub Mede",
            "CC BY 4.0",
        ),
        Photograph(
            "aitzgorri_by_Aitzol_Berasategi.jpg",
            "66268e7b48f8854d36a28765fac6e23ec1aee251daa6da1f64715f201020ad36",
            "test",
            "Aitzol Berasategi",
            "CC BY 4.0",
        ),
        Photograph(
            "free_by_Peter_Nerlich.jpg",
            "85a5453c2fed514c75973016f3d862aca62eb7ca087618822469274ac1092373",
            "test",
            "Peter Nerlich",
            "CC BY-SA 4.0",
        ),
        Photograph(
            "friends_by_Aitzol_Berasategi.jpg",
            "cc40e313c74e421edffe3403def413c16878ce14661cce7ec5915baeab35538d",
            "test",
            "Aitzol Berasategi",
            "CC BY 4.0",
        ),
        Photograph(
            "greentock_by_Peter_Nerlich.jpg",
            "e7b20e2db9dcd6e2b278ca55873c2110b35d89cd38b04d0b18728726888e6889",
            "train",
            "Peter Nerlich",
            "CC BY-SA 4.0",
        ),
        Photograph(
            "life_by_Aitzol_Berasategi.jpg",
            "4c119350ead80201fe256850c3d316309ddfb4bdf10b235ce982dcde0c667c05",
            "train",
            "Aitzol Berasategi",
            "CC BY 4.0",
        ),
        Photograph(
            "picosdeeuropa_by_Aitzol_Berasategi.jpg",
            "414d0072b2f6f2c555deafeaef6e45c4fed6fa9ad26eba6560ca8803959cf97a",
            "train",
            "Aitzol Berasategi",
            "CC BY 4.0",
        ),
        Photograph(
            "seeding_by_Clements_Engelhardt.jpg",
            "a5634d1ab5e41a3568e92d4a894a500c92b891f9ff734e50bd224d6e185a605f",
            "test",
            "Clemens Engelhardt",
            "CC0 1.0",
        ),
        Photograph(
            "sunset_by_Aitzol_Berasategi.jpg",
            "474dab6a4b9f94dc76c29dfe30e9f5db4af0fd2e33fe5d695f8152b371efca18",
            "test",
            "Aitzol Berasategi",
            "CC BY 4.0",
        ),
    ),
    MATE: (
        _mate("Aqua.jpg", "5c30118205982da441bf7e6a1ada636a8a0be879408140b3148280c665ed6bce", "Charles Barbin"),
        _mate("LadyBird.jpg", "e35a9a4126ef969c90b29c038058c5a575a20eadd84106a37bf1fa9931e7b61d", "Charles Barbin"),
        _mate("YellowFlower.jpg", "254da96256acb7add685679775a04d1e4a5bc8cd13e5a5a3d61351ce198a5306", "Charles Barbin"),
        _mate("Garden.jpg", "d3095ee09d425ef23d27155412136cf14fc3c9af76ca58b452f55e23da324e78", "Charles Barbin"),
        _mate(
            "Blinds.jpg",
            "f7aac0dcc2e06d0491643e84df3da1d9db7c4610f58806a880d56e074799f600",
            "Lennart Poettering, Andrea Cimitan",
        ),
        _mate(
            "Dune.jpg", "8a67c2cb0be8c46b70c237311a4fa4d2b4ac7d39568135384787801fa5cc9a91", "Marco Cogoni, Hylke Bons"
        ),
        _mate("FreshFlower.jpg", "972b0a0c4e5e3fa93f4f244fc84bc64b121a5eac3aaa5856f1308c1f38a02f8e", "Jens Ansorg"),
        _mate(
            "GreenMeadow.jpg",
            "8fa0de0aa4089f7319c9fb7a6d006d4cab6023e8c8853731557cff53567b4832",
            "Timothy Schellhase, Lapo Calamandrei",
        ),
        _mate(
            "RainDrops.jpg", "3e4ea9671c28c90a86cf67b3db9daf18c4741587c596333a7529ca589aaa0c16", "blackcombwhistler07"
        ),
        _mate(
            "TwoWings.jpg",
            "665e5abf8a5399070a91a9a8e455fe071e5b61697ff78fdeda4e9843ef545aeb",
            "Charles Barbin, Hylke Bons",
        ),
        _mate(
            "Wood.jpg", "19c78500ac00a622e19907ab9cc7d06d46fe08c4a6142759a84195696150ec07", "Jean-François Fortin Tam"
        ),
    ),
    PLASMA: (
        _plasma("BytheWater", "c272434ef39f2abf1ed48a15a8910088020f3165329a5092f3940ec9464bc05f", "Maciej Wiklo"),
        _plasma("ColdRipple", "05bef6722fc0ed81292cceb3ed026c38d17e510f3c84be7d68610c2b1a723c3f", "Risto Saukonpää"),
        _plasma("ColorfulCups", "6e0f3a72feb5a4a9fec191b77e34874c3c69e2d93040deb3f07773e73385023d", "Dmitri Popov"),
        _plasma("EveningGlow", "586682dcb362b9f620068f10138f87d0d3649939aef238adc5807cb951976a7a", "Ian Hex"),
        _plasma("FallenLeaf", "95603a6560c7e8d50e0e03b3f4adbe39c5258c72528e74e4ecaea1daf4e499de", "Martin Klapetek"),
        _plasma("Grey", "88c31d8944b7e6935d1b9a296654c692f0772cb512491713eb30a972a604c0ed", "Sigi Sagi"),
        _plasma("Kite", "bdca288ce296a981e80659c021cf707caddc702c0c8d4247e60bd618476d47f8", "Risto Saukonpää"),
        _plasma("OneStandsOut", "cb507baf1dafdcae362264f3aba9483ed4be5f6c9fdd770f0ec0920c6d9e80fd", "Risto Saukonpää"),
        _plasma("Path", "7477457d7f17b736259f1b021864778ad4ba802cf3214e6728181ff29126bba8", "Risto Saukonpää"),
    ),
    SCIKIT_IMAGE: (
        Photograph(
            "astronaut.png",
            "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
            "train",
            "NASA",
            "public domain",
        ),
        Photograph(
            "brick.png",
            "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
            "train",
            "CC0 Textures",
            "CC0 1.0",
        ),
        Photograph(
            "camera.png",
            "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
            "test",
            "Lav Varshney",
            "CC0 1.0",
        ),
        Photograph(
            "chelsea.png",
            "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
            "train",
            "Stefan van der Walt",
            "CC0 1.0",
        ),
        Photograph(
            "coffee.png",
            "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
            "test",
            "Rachel Michetti",
            "CC0 1.0",
        ),
        Photograph(
            "grass.png",
            "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
            "train",
            "Linolafett",
            "CC0 1.0",
        ),
        Photograph(
            "gravel.png",
            "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
            "train",
            "CC0 Textures",
            "CC0 1.0",
        ),
        Photograph(
            "rocket.jpg",
            "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
            "train",
            "SpaceX",
            "public domain",
        ),
    ),
    SCIKIT_LEARN: (
        Photograph(
            "china.jpg",
            "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
            "test",
            "danielbuechele",
            "CC BY 2.0",
        ),
        Photograph(
            "flower.jpg",
            "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
            "train",
            "vultilion",
            "CC BY 2.0",
        ),
    ),
}


def licences() -> str:
    """The text of `LICENCES.md`: author, licence and origin of every photograph."""
    lines = [
        "# Photographs",
        "",
        "Unchanged copies from the packages named here, each under its own licence. Those in `test` may be passed on",
        "in changed form, with their authors named and under CC BY-SA 4.0; for those in `train` see each licence.",
        "",
        "| file | author | licence | from |",
        "| --- | --- | --- | --- |",
    ]
    for package, photographs in PHOTOGRAPHS.items():
        for one in photographs:
            lines.append(f"| `{one.file}` | {one.author} | {one.licence} | {package.origin}: `{one.path}` |")
    lines += ["", "Texts of the licences:", ""]
    lines += [f"- {name}: <{address}>" for name, address in TEXTS.items()]
    return "\n".join(lines) + "\n"
