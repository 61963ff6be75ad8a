package org.nanodet;

/** One found object, in pixels of the image. */
public final class Detection {
    public final float left;
    public final float top;
    public final float right;
    public final float bottom;
    /** 0 to 1. */
    public final float confidence;
    /** Index into {@link Detector#classNames}. */
    public final int classId;

    public Detection(
            float left, float top, float right, float bottom, float confidence, int classId) {
        this.left = left;
        this.top = top;
        this.right = right;
        this.bottom = bottom;
        this.confidence = confidence;
        this.classId = classId;
    }
}
