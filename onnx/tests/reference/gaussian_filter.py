"""Writes gaussian_filter.csv: SciPy's Gaussian filter of an 8x8 image, mirrored at the edges.

    python gaussian_filter.py > gaussian_filter.csv       (made with SciPy 1.17.1)
"""

import numpy as np
import scipy.ndimage

rows, columns = np.mgrid[:8, :8]
image = ((37 * rows + 101 * columns + 53 * rows * columns) % 256).astype(float)
print("bandwidth,row,column,value")
for bandwidth in (0.7, 1.0, 5.0):
    # SciPy's defaults, written out: the kernel ends at four standard deviations.
    filtered = scipy.ndimage.gaussian_filter(image, bandwidth, mode="reflect", truncate=4.0)
    for (row, column), value in np.ndenumerate(filtered):
        print(f"{bandwidth},{row},{column},{value!r}".replace("np.float64(", "").replace(")", ""))
