package org.nanodet;

import java.nio.ByteBuffer;

/**
 * A view of a camera frame, YUV 4:2:0 in three planes, as {@code YUV_420_888} gives it: full range,
 * chroma at half width and height. Buffers are direct and begin at their position; they must stay
 * valid until the detector returns.
 */
public final class YuvFrame {
    final ByteBuffer y;
    final ByteBuffer u;
    final ByteBuffer v;
    final int width;
    final int height;
    final int yStride;
    final int uStride;
    final int vStride;
    final int uStep;
    final int vStep;

    /**
     * @param width pixels of the luma plane
     * @param height pixels of the luma plane
     * @param yStride bytes from row to row of luma, whose values lie side by side
     * @param uStride bytes from row to row
     * @param vStride bytes from row to row
     * @param uStep bytes from value to value
     * @param vStep bytes from value to value
     */
    public YuvFrame(
            int width, int height,
            ByteBuffer y, int yStride,
            ByteBuffer u, int uStride, int uStep,
            ByteBuffer v, int vStride, int vStep) {
        this.width = width;
        this.height = height;
        this.y = y;
        this.u = u;
        this.v = v;
        this.yStride = yStride;
        this.uStride = uStride;
        this.vStride = vStride;
        this.uStep = uStep;
        this.vStep = vStep;
    }
}
