package org.nanodet.app;

import android.graphics.ImageFormat;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.params.StreamConfigurationMap;
import android.util.Size;
import java.util.ArrayList;
import java.util.List;

/** What a camera can do; devices leave out what they cannot. */
final class CameraTraits {
    private CameraTraits() {}

    /** Whether it gives colour images to look at and to show. */
    static boolean givesPictures(CameraCharacteristics traits) {
        return contains(traits.get(CameraCharacteristics.REQUEST_AVAILABLE_CAPABILITIES),
                        CameraCharacteristics.REQUEST_AVAILABLE_CAPABILITIES_BACKWARD_COMPATIBLE)
                && !frameSizes(traits).isEmpty() && !previewSizes(traits).isEmpty();
    }

    static CameraView view(CameraCharacteristics traits, int[] frame) {
        Integer orientation = traits.get(CameraCharacteristics.SENSOR_ORIENTATION);
        Integer facing = traits.get(CameraCharacteristics.LENS_FACING);
        return new CameraView(frame[0], frame[1], orientation == null ? 0 : orientation,
                facing != null && facing == CameraCharacteristics.LENS_FACING_FRONT);
    }

    /** {width, height} of the frames that it offers. */
    static List<int[]> frameSizes(CameraCharacteristics traits) {
        StreamConfigurationMap map =
                traits.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP);
        return pairs(map == null ? null : map.getOutputSizes(ImageFormat.YUV_420_888));
    }

    /** {width, height} of the previews that it offers. */
    static List<int[]> previewSizes(CameraCharacteristics traits) {
        StreamConfigurationMap map =
                traits.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP);
        return pairs(map == null ? null : map.getOutputSizes(SurfaceTexture.class));
    }

    private static List<int[]> pairs(Size[] sizes) {
        List<int[]> pairs = new ArrayList<>();
        if (sizes != null) {
            for (Size size : sizes) {
                pairs.add(new int[] {size.getWidth(), size.getHeight()});
            }
        }
        return pairs;
    }

    static boolean contains(int[] values, int wanted) {
        if (values != null) {
            for (int value : values) {
                if (value == wanted) {
                    return true;
                }
            }
        }
        return false;
    }
}
