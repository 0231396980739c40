# createProvisioningToken 201 APT=data.token
curl -X POST "$API/api/provisioning-tokens" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" -d '{"name": "Line 2"}'

# provisionDevice 201 KEY=data.api_key
curl -X POST "$API/api/devices/provision" -H "Content-Type: application/json" \
  -d "{\"token\": \"$APT\", \"device_info\": {\"device_id\": \"data-$UNIQUE\"}}"

# uploadDeviceImage 201 IMAGE_ID=data.image_id
curl -X POST "$API/api/device/images/upload" -H "X-Device-Key: $KEY" -F "image=@$IMAGE;type=image/jpeg"

# createProject 201 PROJECT=data.id
curl -X POST "$API/api/data/projects" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d '{"name": "Parcels", "task_type": "object_detection", "classes": [{"value": "parcel"}]}'

# listProjects 200
curl "$API/api/data/projects" -H "Authorization: Bearer $ACUSIGHT_JWT"

# getImage 200 BATCH=data.batch_id
curl "$API/api/data/images/$IMAGE_ID?include_image_url=true" -H "Authorization: Bearer $ACUSIGHT_JWT"

# listBatches 200
curl "$API/api/data/batches?per_page=5" -H "Authorization: Bearer $ACUSIGHT_JWT"

# updateBatch 200
curl -X PATCH "$API/api/data/batches/$BATCH" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"project_id\": $PROJECT}"

# createAnnotation 201
curl -X POST "$API/api/data/annotations" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"image_id\": $IMAGE_ID, \"class_value\": \"parcel\", \"type\": \"bbox\", \"geometry\": [0.52, 0.48, 0.2, 0.1]}"

# updateImage 200
curl -X PATCH "$API/api/data/images/$IMAGE_ID" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d '{"annotation_status": "completed", "split": "train"}'

# createDataset 201 DATASET=data.id
curl -X POST "$API/api/data/datasets" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"project_id\": $PROJECT, \"batch_ids\": [$BATCH]}"

# listDatasets 200
curl "$API/api/data/datasets?project_id=$PROJECT" -H "Authorization: Bearer $ACUSIGHT_JWT"
