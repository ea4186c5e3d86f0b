"""One scan in many guises: stored, sampled, cut, disturbed, turned and scaled in other ways.

Arrays are [x, y, z] in NIfTI's RAS: x grows to the patient's right, y to the front, z to
the head. Every guise knows where a point of the scan as it is has gone, so that contours
of the two can be held against each other (`robust.py`).
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

AIR_HU = -1000
SOFT_HU, FAT_HU, BONE_HU = 40, -80, 700


@dataclass
class Scan:
    """An image and where its voxels are; `middles` names the middle and the ends along z of each organ found."""

    hu: np.ndarray  # int16
    affine: np.ndarray
    organs: dict = field(default_factory=dict)  # name -> (lowest, middle, highest) corner, mm

    @property
    def spacing(self):
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def place(self, voxel):
        return self.affine[:3, :3] @ np.asarray(voxel, float) + self.affine[:3, 3]

    def body(self):
        """What is not air, with its cavities, slice by slice."""
        return np.stack([ndimage.binary_fill_holes(p) for p in np.moveaxis(self.hu > -500, 2, 0)], 2)


@dataclass
class Guise:
    """A disturbed scan: `moved` takes a point of the scan as it is to its place in this one, and what
    lies nearer than `inset_mm` to a cut (axis, is at its high end) does not count for agreement."""

    hu: np.ndarray
    affine: np.ndarray
    moved: np.ndarray = field(default_factory=lambda: np.eye(4))
    cuts: tuple = ()
    inset_mm: float = 20.0


def same_place(scan, hu):
    return Guise(np.clip(np.rint(hu), -32768, 32767).astype(np.int16), scan.affine)


def on_grid(scan, shape, affine, moved=None):
    """The scan on another grid, after `moved`; a coarser grid averages over its voxels."""
    moved = np.eye(4) if moved is None else moved
    to_voxel = np.linalg.inv(scan.affine) @ np.linalg.inv(moved) @ affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    wider = np.sqrt(np.maximum(spacing**2 - scan.spacing**2, 0)) / 2.355 / scan.spacing
    hu = ndimage.gaussian_filter(scan.hu.astype(np.float32), wider) if (wider > 0.1).any() else scan.hu
    hu = ndimage.affine_transform(
        hu.astype(np.float32), to_voxel[:3, :3], to_voxel[:3, 3], shape, order=1, cval=AIR_HU, mode="grid-constant"
    )
    return Guise(np.rint(hu).astype(np.int16), affine, moved)


def padded(scan, before, after, value=AIR_HU):
    """The scan with more voxels around it."""
    hu = np.pad(scan.hu, list(zip(before, after)), constant_values=value)
    affine = scan.affine.copy()
    affine[:3, 3] = scan.place([-n for n in before])
    return Scan(hu, affine, scan.organs)


def sampled(scan, spacing):
    extent = (np.array(scan.hu.shape) - 1) * scan.spacing
    affine = scan.affine.copy()
    affine[:3, :3] = scan.affine[:3, :3] / scan.spacing * spacing
    return on_grid(scan, tuple(np.floor(extent / spacing).astype(int) + 1), affine)


def stored(scan, axes, flipped):
    """The same voxels in another order; the affine says so."""
    change = np.zeros((4, 4))
    change[3, 3] = 1
    hu = scan.hu.transpose(axes)
    for own, (axis, backwards) in enumerate(zip(axes, flipped)):
        change[axis, own] = -1 if backwards else 1
        if backwards:
            hu = np.flip(hu, own)
            change[axis, 3] = scan.hu.shape[axis] - 1
    return Guise(np.ascontiguousarray(hu), scan.affine @ change)


def rotation(axis, degrees):
    a, turn = np.radians(degrees), np.eye(4)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    turn[[i, i, j, j], [i, j, i, j]] = np.cos(a), -np.sin(a), np.sin(a), np.cos(a)
    return turn


def about(point, change):
    there, back = np.eye(4), np.eye(4)
    there[:3, 3], back[:3, 3] = point, -np.asarray(point)
    return there @ change @ back


def centre(scan):
    jaw = scan.organs.get("Bone_Mandible")
    return jaw[1] if jaw else scan.place(np.array(scan.hu.shape) / 2)


def turned(scan, axis, degrees):
    """The patient turned about the jaw's middle; the scan's ends turn with him."""
    more = [0 if axis == a == 2 else 12 for a in range(3)]
    more[2] = 0
    grid = padded(scan, more, more)
    return on_grid(scan, grid.hu.shape, grid.affine, about(centre(scan), rotation(axis, degrees)))


def oblique(scan, degrees):
    """The patient as he is, stored on a grid that is turned about z and then tilted about x."""
    turn = about(centre(scan), rotation(2, degrees) @ rotation(0, degrees / 2))
    grid = padded(scan, [12, 12, 8], [12, 12, 8])
    return on_grid(scan, grid.hu.shape, turn @ grid.affine)


def scaled(scan, factor):
    """A larger or smaller patient: the same voxels, farther apart."""
    change = about(centre(scan), np.diag([factor, factor, factor, 1.0]))
    return Guise(scan.hu, change @ scan.affine, change)


def cut(scan, axis, low_mm=None, high_mm=None):
    """What lies between two places along an axis."""
    at = scan.affine[axis, 3] + scan.affine[axis, axis] * np.arange(scan.hu.shape[axis])
    keep = np.nonzero((at >= (-np.inf if low_mm is None else low_mm)) & (at <= (np.inf if high_mm is None else high_mm)))[0]
    if len(keep) < 4:
        return None
    box = [slice(None)] * 3
    box[axis] = slice(keep[0], keep[-1] + 1)
    affine = scan.affine.copy()
    affine[:3, 3] = scan.place([keep[0] if a == axis else 0 for a in range(3)])
    ends = ((axis, False, low_mm), (axis, True, high_mm))
    cuts = tuple((a, end) for a, end, mm in ends if mm is not None)
    return Guise(np.ascontiguousarray(scan.hu[tuple(box)]), affine, cuts=cuts)


def in_plane(scan, share):
    """The middle `share` of the rows and columns of the head; skin and shoulders go."""
    jaw = scan.organs.get("Bone_Mandible")
    if not jaw:
        return None
    body = scan.body()
    first = int(np.clip((jaw[0][2] - scan.affine[2, 3]) / scan.affine[2, 2], 0, body.shape[2] - 1))
    sides = [np.nonzero(body[:, :, first:].any(tuple(a for a in range(3) if a != axis)))[0] for axis in range(2)]
    guise = Scan(scan.hu, scan.affine)
    cuts = ()
    for axis, filled in enumerate(sides):
        middle, half = (filled[0] + filled[-1]) / 2, (filled[-1] - filled[0]) / 2 * share
        ends = [scan.affine[axis, 3] + scan.affine[axis, axis] * (middle + side * half) for side in (-1, 1)]
        part = cut(guise, axis, *ends)
        guise, cuts = Scan(part.hu, part.affine), cuts + part.cuts
    return Guise(guise.hu, guise.affine, cuts=cuts, inset_mm=8.0)


def below(scan, organ, end, more_mm):
    """Of the scan what lies below an organ's lower (0) or upper (2) end."""
    found = scan.organs.get(organ)
    return found and cut(scan, 2, None, found[end][2] + more_mm)


def above(scan, organ, end, more_mm):
    found = scan.organs.get(organ)
    return found and cut(scan, 2, found[end][2] + more_mm, None)


def neck(scan):
    """From the jaw's lower edge 80 mm downward."""
    jaw = scan.organs.get("Bone_Mandible")
    return jaw and cut(scan, 2, jaw[0][2] - 80, jaw[0][2])


def slab(scan, count):
    """A few slices at the jaw's middle."""
    half = (count - 1) / 2 * scan.spacing[2] + 0.01
    middle = scan.place(np.rint(np.linalg.inv(scan.affine) @ [*centre(scan), 1])[:3])[2]
    return cut(scan, 2, middle - half, middle + half)


def couch(scan):
    """A slab of foam between two shells of 3 mm, right behind the hindmost skin."""
    rows = int(np.ceil(50 / scan.spacing[1]))
    wide = padded(scan, [8, rows, 0], [8, 0, 0])
    back = np.nonzero((wide.hu > -300).any((0, 2)))[0].min()
    depth = (back - np.arange(wide.hu.shape[1])) * wide.spacing[1]
    step = wide.spacing[1]
    hu = wide.hu.copy()
    shell = ((depth > 0) & (depth <= max(step, 3))) | ((depth > 23) & (depth <= 23 + max(step, 3)))
    for rows, value in ((shell, -250), ((depth > 0) & (depth <= 23) & ~shell, -900)):
        hu[:, rows] = np.maximum(hu[:, rows], value)
    return Scan(hu, wide.affine, scan.organs)


def mask(scan):
    """A thermoplastic shell of 3 mm and -50 HU on the skin, not behind the middle."""
    scan = padded(scan, [4, 4, 0], [4, 4, 0])
    body = scan.body()
    distance = ndimage.distance_transform_edt(~body, scan.spacing)
    middle = np.nonzero(body.any((0, 2)))[0].mean()
    front = (np.arange(body.shape[1]) > middle - 40 / scan.spacing[1])[None, :, None]
    share = min(1.0, 3.0 / scan.spacing[1])
    shell = (distance > 0) & (distance <= scan.spacing[1] * 1.01) & front
    value = AIR_HU + share * (-50 - AIR_HU)
    return Scan(np.where(shell, np.maximum(scan.hu, value), scan.hu).astype(np.int16), scan.affine, scan.organs)


def arms(scan):
    """Two arms of 80 mm with a bone in each, beside the body from end to end."""
    more = int(np.ceil(110 / scan.spacing[0]))
    wide = padded(scan, [more, 0, 0], [more, 0, 0])
    body = wide.body()
    columns, rows = (np.nonzero(body.any(axes))[0] for axes in ((1, 2), (0, 2)))
    x, y = (np.arange(n) * s for n, s in zip(wide.hu.shape, wide.spacing[:2]))
    hu = wide.hu.copy()
    for side in (columns[0] * wide.spacing[0] - 50, columns[-1] * wide.spacing[0] + 50):
        away = np.hypot(x[:, None] - side, y[None, :] - rows.mean() * wide.spacing[1])
        hu[away < 40] = SOFT_HU
        hu[(away < 40) & (away > 35)] = FAT_HU
        hu[away < 14] = BONE_HU
    return Guise(hu, wide.affine)


def projections(picture, angles):
    return np.stack([ndimage.rotate(picture, a, reshape=False, order=1).sum(0) for a in angles])


def metal(scan):
    """Fillings on both sides of the jaw: their shadows hide what lies behind, and filtered
    backprojection makes the streaks that this leaves."""
    jaw = scan.organs.get("Bone_Mandible")
    if not jaw:
        return None
    hu = scan.hu.copy()
    size, step = 2 * max(hu.shape[:2]), scan.spacing[0]
    at = np.linalg.inv(scan.affine) @ [jaw[1][0], jaw[1][1] + 15, jaw[1][2], 1]
    angles = np.arange(0, 180, 1.5)
    offset = [(size - n) // 2 for n in hu.shape[:2]]
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size), indexing="ij")).astype(float)
    filings = np.zeros((size, size), bool)
    for side in (-1, 1):
        tooth = [at[0] + side * 22 / step + offset[0], at[1] + offset[1]]
        filings |= np.hypot(grid[0] - tooth[0], grid[1] - tooth[1]) * step < 5
    ramp = np.abs(np.fft.fftfreq(size))
    for z in range(int(at[2] - 10 / scan.spacing[2]), int(at[2] + 10 / scan.spacing[2]) + 1):
        if not 0 <= z < hu.shape[2]:
            continue
        plane = np.full((size, size), AIR_HU, float)
        inside = tuple(slice(o, o + n) for o, n in zip(offset, hu.shape[:2]))
        plane[inside] = hu[:, :, z]
        plane[filings] = 12000
        water = 0.02 * step  # the attenuation of a voxel of water
        sums = projections((plane / 1000 + 1) * water, angles)
        shadow = projections(filings.astype(float), angles) > 0.2
        # A beam that meets metal is hardened: its path looks up to 45 % shorter.
        lost = np.where(shadow, -0.45 * np.maximum(sums - 2.5, 0), 0)
        filtered = np.real(np.fft.ifft(np.fft.fft(lost, axis=1) * ramp, axis=1))
        smear = sum(
            ndimage.rotate(np.broadcast_to(row, (size, size)), -a, reshape=False, order=1)
            for a, row in zip(angles, filtered)
        )
        streaks = smear * np.pi / len(angles) / water * 1000
        made = np.where(filings, 3071, plane + streaks)[inside]
        hu[:, :, z] = np.where(hu[:, :, z] > -990, np.clip(made, -1024, 3071), hu[:, :, z])
    return Guise(hu, scan.affine)


def noisy(scan, sigma):
    noise = np.random.default_rng(7).normal(0, sigma, scan.hu.shape)
    return same_place(scan, np.maximum(scan.hu + noise, -1024))


def shifted(scan, by):
    return same_place(scan, np.where(scan.hu > -990, scan.hu + by, scan.hu))


def outside(scan, value):
    """Everything that touches the border as air has another value."""
    pieces, _ = ndimage.label(np.pad(scan.hu <= -990, 1, constant_values=True))
    return same_place(scan, np.where((pieces == pieces[0, 0, 0])[1:-1, 1:-1, 1:-1], value, scan.hu))


def circle(scan, value):
    """A field of view that holds the body, and a value outside the circle of reconstruction."""
    body = scan.body()
    columns, rows = (np.nonzero(body.any(axes))[0] for axes in ((1, 2), (0, 2)))
    middle = np.array([columns.mean(), rows.mean()])
    reach = max(np.hypot(*((np.argwhere(body.any(2)) - middle) * scan.spacing[:2]).T)) + 15
    before = [max(0, int(np.ceil(reach / s - m))) for s, m in zip(scan.spacing, middle)]
    after = [max(0, int(np.ceil(reach / s - (n - 1 - m)))) for s, m, n in zip(scan.spacing, middle, body.shape)]
    wide = padded(scan, [*before, 0], [*after, 0])
    at = np.stack(np.meshgrid(*(np.arange(n) for n in wide.hu.shape[:2]), indexing="ij"), -1)
    away = np.hypot(*np.moveaxis((at - middle - before) * scan.spacing[:2], -1, 0))
    hu = wide.hu.copy()
    hu[away > reach] = value
    return Guise(hu, wide.affine)


def guised(change):
    """A guise of a scan that stays where it is."""
    def made(scan):
        scan = change(scan)
        return Guise(scan.hu, scan.affine)
    return made


# Name -> how it is made; `None` where the scan does not show what would be cut.
GUISES = {
    "stored in other axis orders": [
        lambda s, a=axes, f=flipped: stored(s, a, f)
        for axes, flipped in (
            ((0, 1, 2), (True, False, False)),
            ((1, 2, 0), (False, True, True)),
            ((2, 1, 0), (True, False, True)),
        )
    ],
    "stored on a grid turned by 15°": [lambda s: oblique(s, 15)],
    "1 mm": [lambda s: sampled(s, [1, 1, 1])],
    "2 mm": [lambda s: sampled(s, [2, 2, 2])],
    "2 x 2 x 5 mm": [lambda s: sampled(s, [2, 2, 5])],
    "5 mm": [lambda s: sampled(s, [5, 5, 5])],
    "20 HU up, down": [lambda s: shifted(s, 20), lambda s: shifted(s, -20)],
    "40 HU up": [lambda s: shifted(s, 40)],
    "noise of 30 HU": [lambda s: noisy(s, 30)],
    "noise of 60 HU": [lambda s: noisy(s, 60)],
    "air at -1024, -2048 HU": [lambda s: outside(s, -1024), lambda s: outside(s, -2048)],
    "-2048 HU outside a circle": [lambda s: circle(s, -2048)],
    "0 HU outside a circle": [lambda s: circle(s, 0)],
    "couch": [guised(couch)],
    "mask": [guised(mask)],
    "couch and mask": [guised(lambda s: couch(mask(s)))],
    "arms beside the body": [arms],
    "metal in the teeth": [metal],
    "nodded by 10°": [lambda s: turned(s, 0, 10), lambda s: turned(s, 0, -10)],
    "nodded by 20°": [lambda s: turned(s, 0, 20), lambda s: turned(s, 0, -20)],
    "tilted by 10°": [lambda s: turned(s, 1, 10)],
    "tilted by 20°": [lambda s: turned(s, 1, 20)],
    "turned by 10°": [lambda s: turned(s, 2, 10)],
    "turned by 20°": [lambda s: turned(s, 2, 20)],
    "0.8 of its size": [lambda s: scaled(s, 0.8)],
    "0.9 of its size": [lambda s: scaled(s, 0.9)],
    "1.1 of its size": [lambda s: scaled(s, 1.1)],
    "1.25 of its size": [lambda s: scaled(s, 1.25)],
    "cut at the jaw's lower edge, the head": [lambda s: above(s, "Bone_Mandible", 0, 0)],
    "cut above the jaw, the head": [lambda s: above(s, "Bone_Mandible", 2, 2)],
    "cut at the jaw's middle, what is below": [lambda s: below(s, "Bone_Mandible", 1, 0)],
    "cut below the jaw, what is below": [lambda s: below(s, "Bone_Mandible", 0, -2)],
    "cut below the larynx, what is below": [lambda s: below(s, "Larynx", 0, -5)],
    "80 mm of neck below the jaw": [neck],
    "40 mm at the jaw": [lambda s: slab(s, round(40 / s.spacing[2]))],
    "the left half": [lambda s: cut(s, 0, None, centre(s)[0])],
    "the right half": [lambda s: cut(s, 0, centre(s)[0], None)],
    "the front half": [lambda s: cut(s, 1, centre(s)[1] - 40, None)],
    "cut close around the head": [lambda s: in_plane(s, 1.02)],
    "80 % of the head's width and depth": [lambda s: in_plane(s, 0.8)],
}
