package org.nanodet.app;

/** What a camera gives: frames of a size, as its sensor lies in the device. */
final class CameraView {
    final int frameWidth;
    final int frameHeight;
    /** SENSOR_ORIENTATION: 0, 90, 180 or 270. */
    final int sensorDegrees;
    /** Whether it looks at the user. */
    final boolean front;

    CameraView(int frameWidth, int frameHeight, int sensorDegrees, boolean front) {
        this.frameWidth = frameWidth;
        this.frameHeight = frameHeight;
        this.sensorDegrees = sensorDegrees;
        this.front = front;
    }
}
