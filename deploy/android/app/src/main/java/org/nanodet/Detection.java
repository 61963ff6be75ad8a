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
    /**
     * Standard deviations of the four edges in pixels of the image, 0 or more: about 68 % of true
     * edges lie within one of the edge where the model's spec holds calibration factors. 0 for a
     * model that says nothing of them.
     */
    public final float leftStd;
    public final float topStd;
    public final float rightStd;
    public final float bottomStd;

    public Detection(
            float left, float top, float right, float bottom, float confidence, int classId,
            float leftStd, float topStd, float rightStd, float bottomStd) {
        this.left = left;
        this.top = top;
        this.right = right;
        this.bottom = bottom;
        this.confidence = confidence;
        this.classId = classId;
        this.leftStd = leftStd;
        this.topStd = topStd;
        this.rightStd = rightStd;
        this.bottomStd = bottomStd;
    }
}
