package org.nanodet.app;

import android.content.Context;
import android.view.View;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.CompoundButton;
import android.widget.Spinner;
import android.widget.Switch;
import java.util.ArrayList;
import java.util.List;
import org.nanodet.Detector;

/** Model, CPU threads, Vulkan and camera, as the user chooses them; kept in {@link Settings}. */
final class Controls {
    /** Called after the settings have changed. */
    interface Listener {
        /** Another model, or another way to run it. */
        void onModelChosen();

        void onCameraSwitched();
    }

    private final List<Model> models;
    private final Settings settings;
    private final boolean hasVulkan = Detector.hasEngine("vulkan");
    private final View cameraSwitch;

    Controls(View root, List<Model> models, final Settings settings, final Listener listener) {
        this.models = models;
        this.settings = settings;

        Spinner model = (Spinner) root.findViewById(R.id.model);
        fill(model, models, models.indexOf(model()));
        model.setOnItemSelectedListener(new Choice() {
            @Override
            void chosen(int position) {
                String label = Controls.this.models.get(position).label;
                // a spinner also tells what was chosen for it
                if (!label.equals(model().label)) {
                    settings.setModel(label);
                    listener.onModelChosen();
                }
            }
        });

        List<String> counts = new ArrayList<>();
        counts.add(root.getResources().getString(R.string.threads_auto));
        for (int count = 1; count <= Runtime.getRuntime().availableProcessors(); count++) {
            counts.add(root.getResources().getString(R.string.threads_count, count));
        }
        Spinner threads = (Spinner) root.findViewById(R.id.threads);
        fill(threads, counts, Math.min(settings.threads(), counts.size() - 1));
        threads.setOnItemSelectedListener(new Choice() {
            @Override
            void chosen(int position) {
                if (position != settings.threads()) {
                    settings.setThreads(position);
                    listener.onModelChosen();
                }
            }
        });

        Switch vulkan = (Switch) root.findViewById(R.id.vulkan);
        vulkan.setVisibility(hasVulkan ? View.VISIBLE : View.GONE);
        vulkan.setChecked(vulkan());
        vulkan.setOnCheckedChangeListener(new CompoundButton.OnCheckedChangeListener() {
            @Override
            public void onCheckedChanged(CompoundButton button, boolean on) {
                settings.setVulkan(on);
                listener.onModelChosen();
            }
        });

        cameraSwitch = root.findViewById(R.id.switch_camera);
        cameraSwitch.setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View clicked) {
                listener.onCameraSwitched();
            }
        });
    }

    /** The chosen model, the first before any choice; null when there is none. */
    Model model() {
        for (Model model : models) {
            if (model.label.equals(settings.model())) {
                return model;
            }
        }
        return models.isEmpty() ? null : models.get(0);
    }

    boolean vulkan() {
        return hasVulkan && settings.vulkan();
    }

    void showCameraSwitch(boolean shown) {
        cameraSwitch.setVisibility(shown ? View.VISIBLE : View.GONE);
    }

    private static <T> void fill(Spinner spinner, List<T> choices, int chosen) {
        Context context = spinner.getContext();
        ArrayAdapter<T> adapter =
                new ArrayAdapter<>(context, android.R.layout.simple_spinner_item, choices);
        adapter.setDropDownViewResource(android.R.layout.simple_spinner_dropdown_item);
        spinner.setAdapter(adapter);
        if (chosen >= 0) {
            spinner.setSelection(chosen);
        }
    }

    private abstract static class Choice implements AdapterView.OnItemSelectedListener {
        abstract void chosen(int position);

        @Override
        public void onItemSelected(AdapterView<?> parent, View view, int position, long id) {
            chosen(position);
        }

        @Override
        public void onNothingSelected(AdapterView<?> parent) {}
    }
}
