package org.nanodet.desktop;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.nanodet.Detector;
import org.nanodet.NanodetException;
import org.nanodet.PixelFormat;
import org.nanodet.YuvFrame;

/** What the native layer does with nonsense: {@code NativeChecks MODEL} refuses all of it. */
public final class NativeChecks {
    private static final int WIDTH = 7;
    private static final int HEIGHT = 5;

    private NativeChecks() {}

    public static void main(String[] arguments) throws Exception {
        String model = arguments[0];
        models(model);
        try (Detector detector = new Detector(model, 1, false)) {
            packedPixels(detector);
            frames(detector);
        }
        closed(model);
        threads(model);
        handles();
        System.out.println("all native checks passed");
    }

    private static void models(final String model) {
        final String suffix = model.substring(model.lastIndexOf('.'));
        String[][] bad = {
            {null, "path: is null"},
            {"", "no such model"},
            {"/does/not/exist" + suffix, "/does/not/exist" + suffix},
            {"/sch\u00f6n/\ud83d\ude00" + suffix, "/sch\u00f6n/\ud83d\ude00" + suffix},
            {model + "\0", "zero byte"},
            {System.getProperty("java.io.tmpdir"), "no such model"},
        };
        for (final String[] one : bad) {
            Check.refused(new Runnable() {
                @Override
                public void run() {
                    new Detector(one[0]);
                }
            }, one[1]);
        }
        for (final int threads : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            Check.refused(new Runnable() {
                @Override
                public void run() {
                    new Detector(model, threads, false);
                }
            }, "threads: must be");
        }
        Check.that(!Detector.hasEngine("abacus"), "hasEngine of an unknown engine");
        Check.that(Detector.hasEngine(suffix.equals(".param") ? "ncnn" : "openvino"), "hasEngine");
        if (!Detector.hasEngine("vulkan")) {
            Check.refused(new Runnable() {
                @Override
                public void run() {
                    new Detector(model, 0, true);
                }
            }, "Vulkan");
        }
    }

    private static void packedPixels(final Detector detector) {
        int row = 3 * WIDTH;
        Object[][] bad = {
            // bytes, width, height, stride, message
            {row * HEIGHT - 1, WIDTH, HEIGHT, row, "pixels: has 104 bytes"},
            {row * HEIGHT, WIDTH, HEIGHT, row + 1, "pixels: has 105 bytes"},
            {row * HEIGHT, WIDTH, HEIGHT, row - 1, "stride"},
            {row * HEIGHT, WIDTH, HEIGHT, -row, "stride"},
            {row * HEIGHT, 0, HEIGHT, row, "no pixels"},
            {row * HEIGHT, WIDTH, -1, row, "no pixels"},
            {0, WIDTH, HEIGHT, row, "pixels"},
            {row, 1, Integer.MAX_VALUE, Integer.MAX_VALUE, "pixels: has"},
            {row, Integer.MAX_VALUE / 3, Integer.MAX_VALUE, Integer.MAX_VALUE, "pixels: has"},
        };
        for (final Object[] one : bad) {
            final int size = (Integer) one[0];
            final int width = (Integer) one[1];
            final int height = (Integer) one[2];
            final int stride = (Integer) one[3];
            Check.refused(new Runnable() {
                @Override
                public void run() {
                    detector.detect(new byte[size], width, height, stride, PixelFormat.BGR);
                }
            }, (String) one[4]);
            Check.refused(new Runnable() {
                @Override
                public void run() {
                    detector.detect(ByteBuffer.allocateDirect(size), width, height, stride,
                            PixelFormat.BGR);
                }
            }, (String) one[4]);
        }
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect((byte[]) null, 1, 1, 3, PixelFormat.BGR);
            }
        }, "pixels: is null");
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect((ByteBuffer) null, 1, 1, 3, PixelFormat.BGR);
            }
        }, "pixels: is null");
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect(ByteBuffer.allocate(3), 1, 1, 3, PixelFormat.BGR);
            }
        }, "direct");
        // what lies before the position and behind the limit is not the image's
        final ByteBuffer part = ByteBuffer.allocateDirect(100);
        part.position(90).limit(92);
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect(part, 1, 1, 3, PixelFormat.BGR);
            }
        }, "pixels: has 2 bytes");
        part.limit(93);
        detector.detect(part, 1, 1, 3, PixelFormat.BGR);
        detector.detect(new byte[row * HEIGHT], WIDTH, HEIGHT, row, PixelFormat.BGR);
    }

    private static void frames(final Detector detector) {
        // sizes of y, u, v; then strides of y, u, v; steps of u, v; turn; message, null for none
        Object[][] frames = {
            {35, 12, 12, 7, 4, 4, 1, 1, 0, null},
            {35, 12, 12, 7, 4, 4, 1, 1, 270, null},
            {35, 23, 23, 7, 8, 8, 2, 2, 90, null},
            {34, 12, 12, 7, 4, 4, 1, 1, 0, "y: has 34 bytes"},
            {35, 11, 12, 7, 4, 4, 1, 1, 0, "u: has 11 bytes"},
            {35, 12, 11, 7, 4, 4, 1, 1, 0, "v: has 11 bytes"},
            {35, 22, 23, 7, 8, 8, 2, 2, 0, "u: has 22 bytes"},
            {35, 12, 12, 6, 4, 4, 1, 1, 0, "y: its row stride"},
            {35, 12, 12, 7, 3, 4, 1, 1, 0, "u: its row stride"},
            {35, 12, 12, 7, 4, -4, 1, 1, 0, "v: its row stride"},
            {35, 12, 12, 7, 4, 4, 0, 1, 0, "pixel strides"},
            {35, 12, 12, 7, 4, 4, 1, Integer.MIN_VALUE, 0, "pixel strides"},
            {35, 12, 12, 7, 4, 4, Integer.MAX_VALUE, 1, 0, "u: its row stride"},
            {35, 12, 12, Integer.MAX_VALUE, 4, 4, 1, 1, 0, "y: has 35 bytes"},
            {35, 12, 12, 7, 4, 4, 1, 1, 45, "turn"},
            {35, 12, 12, 7, 4, 4, 1, 1, -90, "turn"},
        };
        for (Object[] one : frames) {
            final int[] n = new int[9];
            for (int i = 0; i < n.length; i++) {
                n[i] = (Integer) one[i];
            }
            Runnable detecting = new Runnable() {
                @Override
                public void run() {
                    detector.detect(new YuvFrame(WIDTH, HEIGHT,
                            ByteBuffer.allocateDirect(n[0]), n[3],
                            ByteBuffer.allocateDirect(n[1]), n[4], n[6],
                            ByteBuffer.allocateDirect(n[2]), n[5], n[7]), n[8]);
                }
            };
            if (one[9] == null) {
                detecting.run();
            } else {
                Check.refused(detecting, (String) one[9]);
            }
        }
        final ByteBuffer fine = ByteBuffer.allocateDirect(64);
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect(new YuvFrame(0, 5, fine, 7, fine, 4, 1, fine, 4, 1), 0);
            }
        }, "no pixels");
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect(new YuvFrame(7, 5, fine, 7, null, 4, 1, fine, 4, 1), 0);
            }
        }, "u: is null");
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect(new YuvFrame(7, 5, fine, 7, fine, 4, 1,
                        ByteBuffer.allocate(64), 4, 1), 0);
            }
        }, "v: must be a direct buffer");
    }

    private static void closed(String model) {
        final Detector detector = new Detector(model);
        detector.close();
        detector.close();
        Check.refused(new Runnable() {
            @Override
            public void run() {
                detector.detect(new byte[3], 1, 1, 3, PixelFormat.BGR);
            }
        }, "closed");
        Check.that(!detector.classNames().isEmpty(), "names outlive the model");
    }

    /** Several threads on one detector, which is closed while they are at it. */
    private static void threads(String model) throws InterruptedException, ExecutionException {
        final Detector detector = new Detector(model, 1, false);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            all.add(pool.submit(new Runnable() {
                @Override
                public void run() {
                    try {
                        while (true) {
                            detector.detect(new byte[3 * 64 * 48], 64, 48, 3 * 64,
                                    PixelFormat.RGB);
                        }
                    } catch (NanodetException error) {
                        Check.that(error.getMessage().contains("closed"), error.getMessage());
                    }
                }
            }));
        }
        Thread.sleep(200);
        detector.close();
        for (Future<?> one : all) {
            one.get();
        }
        pool.shutdown();
    }

    /** Handles that no detector has, past the check in Java. */
    private static void handles() throws ReflectiveOperationException {
        final Method engine = Detector.class.getDeclaredMethod("engine0", long.class);
        final Method destroy = Detector.class.getDeclaredMethod("destroy", long.class);
        engine.setAccessible(true);
        destroy.setAccessible(true);
        for (long handle : new long[] {0, 1, -1, Long.MAX_VALUE, 0x7f0000000000L}) {
            destroy.invoke(null, handle);
            try {
                engine.invoke(null, handle);
                throw new AssertionError("handle " + handle);
            } catch (InvocationTargetException error) {
                Check.equal(error.getCause().getMessage(), "detector: it is closed", "handle");
            }
        }
    }
}
