package org.nanodet;

/** Order of the bytes of a pixel; the fourth byte of {@code BGRA} and {@code RGBA} is not used. */
public enum PixelFormat {
    // native code knows them by their order
    BGR(3),
    RGB(3),
    BGRA(4),
    RGBA(4),
    GRAY(1);

    /** Bytes per pixel. */
    public final int bytes;

    PixelFormat(int bytes) {
        this.bytes = bytes;
    }
}
