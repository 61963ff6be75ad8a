package org.nanodet;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * A trained model that finds objects in images, over the C++ library in {@code deploy/cpp}. All
 * numbers come from the JSON beside the model. Knows nothing of Android.
 *
 * <p>May be used from any thread; calls wait for each other. Once it is closed, detecting throws.
 *
 * <pre>{@code
 * try (Detector detector = new Detector("nanodet-m_320.param")) {
 *     Result result = detector.detect(pixels, width, height, 3 * width, PixelFormat.BGR);
 *     for (Detection found : result.detections) {
 *         use(detector.classNames().get(found.classId), found);
 *     }
 * }
 * }</pre>
 */
public final class Detector implements AutoCloseable {
    static {
        System.loadLibrary("nanodet_jni");
    }

    private static final long CLOSED = 0;

    private long handle;
    private final List<String> classNames;
    private final int inputWidth;
    private final int inputHeight;
    private final String engine;

    /** Opens a model with the engine's own choice of threads, on the CPU. */
    public Detector(String path) {
        this(path, 0, false);
    }

    /**
     * @param path {@code .param} (ncnn) or {@code .onnx} (OpenVINO), its JSON beside it
     * @param threads CPU threads; 0 lets the engine choose
     * @param vulkan whether to run on the GPU, see {@link #hasEngine}
     * @throws NanodetException the model is missing, damaged or does not fit its JSON
     */
    public Detector(String path, int threads, boolean vulkan) {
        handle = create(utf8(path), threads, vulkan);
        List<String> names = new ArrayList<>();
        for (byte[] name : classNames0(handle)) {
            names.add(new String(name, StandardCharsets.UTF_8));
        }
        classNames = Collections.unmodifiableList(names);
        int[] size = inputSize0(handle);
        inputWidth = size[0];
        inputHeight = size[1];
        engine = new String(engine0(handle), StandardCharsets.UTF_8);
    }

    /** Whether the native library has {@code ncnn}, {@code openvino} or {@code vulkan}. */
    public static boolean hasEngine(String name) {
        return hasEngine0(utf8(name));
    }

    /** The name of each class index. */
    public List<String> classNames() {
        return classNames;
    }

    /** Width of the network's input in pixels. */
    public int inputWidth() {
        return inputWidth;
    }

    /** Height of the network's input in pixels. */
    public int inputHeight() {
        return inputHeight;
    }

    /** Engine and version, such as {@code ncnn 1.0.20260722}. */
    public String engine() {
        return engine;
    }

    /**
     * Finds objects in packed pixels.
     *
     * @param stride bytes from row to row
     * @throws NanodetException the array is too short for the image, or the network cannot run
     */
    public synchronized Result detect(
            byte[] pixels, int width, int height, int stride, PixelFormat format) {
        return new Result(width, height,
                detectArray(open(), pixels, width, height, stride, format.ordinal()));
    }

    /** The same for a direct buffer, from its position to its limit. */
    public synchronized Result detect(
            ByteBuffer pixels, int width, int height, int stride, PixelFormat format) {
        return new Result(width, height,
                detectBuffer(open(), view(pixels), width, height, stride, format.ordinal()));
    }

    /**
     * Finds objects in a camera frame.
     *
     * @param turn degrees clockwise that turn the frame upright: 0, 90, 180 or 270
     * @return detections in pixels of the upright frame, whose sides are swapped for 90 and 270
     * @throws NanodetException a plane is too short for the frame, or the network cannot run
     */
    public synchronized Result detect(YuvFrame frame, int turn) {
        float[] values = detectYuv(open(), view(frame.y), view(frame.u), view(frame.v),
                frame.width, frame.height, frame.yStride, frame.uStride, frame.vStride,
                frame.uStep, frame.vStep, turn);
        boolean across = turn % 180 != 0;
        return new Result(across ? frame.height : frame.width, across ? frame.width : frame.height,
                values);
    }

    /** Gives the model's memory back; does nothing the second time. */
    @Override
    public synchronized void close() {
        if (handle != CLOSED) {
            destroy(handle);
            handle = CLOSED;
        }
    }

    private long open() {
        if (handle == CLOSED) {
            throw new NanodetException("detector: it is closed");
        }
        return handle;
    }

    /** Native code sees a buffer's memory from index 0 on; this makes that its position. */
    private static ByteBuffer view(ByteBuffer buffer) {
        return buffer == null ? null : buffer.slice();
    }

    private static byte[] utf8(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    // each throws NanodetException; text is UTF-8

    private static native boolean hasEngine0(byte[] name);

    private static native long create(byte[] path, int threads, boolean vulkan);

    private static native void destroy(long handle);

    private static native byte[][] classNames0(long handle);

    private static native int[] inputSize0(long handle);

    private static native byte[] engine0(long handle);

    /** Returns three times in milliseconds, then ten values per detection; see {@link Result}. */
    private static native float[] detectArray(
            long handle, byte[] pixels, int width, int height, int stride, int format);

    private static native float[] detectBuffer(
            long handle, ByteBuffer pixels, int width, int height, int stride, int format);

    private static native float[] detectYuv(
            long handle, ByteBuffer y, ByteBuffer u, ByteBuffer v, int width, int height,
            int yStride, int uStride, int vStride, int uStep, int vStep, int turn);
}
